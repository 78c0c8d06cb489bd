"""PyJWT verifies an access token by the JWK Set of the server."""
import os
import jwt
import requests

base = os.environ["BEARERD"]
answer = requests.post(
    base + "/oauth2/token",
    data={"grant_type": "client_credentials", "scope": "read",
          "client_id": os.environ["CLIENT_ID"], "client_secret": os.environ["CLIENT_SECRET"]},
)
answer.raise_for_status()
token = answer.json()["access_token"]

key = jwt.PyJWKClient(base + "/.well-known/jwks.json").get_signing_key_from_jwt(token)
claims = jwt.decode(token, key.key, algorithms=[os.environ["ALGORITHM"]], audience=base, issuer=base,
                    options={"require": ["exp", "iat", "iss", "sub", "aud", "jti"]})
assert claims["sub"] == os.environ["CLIENT_ID"], claims
assert isinstance(claims["sub"], str)
assert claims["scope"] == "read", claims
assert jwt.get_unverified_header(token)["typ"] == "at+jwt"

try:
    jwt.decode(token, key.key, algorithms=[os.environ["ALGORITHM"]], audience="https://other.example")
except jwt.InvalidAudienceError:
    pass
else:
    raise SystemExit("another audience was accepted")
