"""Authlib verifies an access token, and gets one with its OAuth 2 session."""
import os
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken

base = os.environ["BEARERD"]
meta = requests.get(base + "/.well-known/oauth-authorization-server").json()
session = OAuth2Session(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], scope="read",
                        token_endpoint_auth_method="client_secret_post")
token = session.fetch_token(meta["token_endpoint"], grant_type="client_credentials")

keys = JsonWebKey.import_key_set(requests.get(meta["jwks_uri"]).json())
claims = JsonWebToken([os.environ["ALGORITHM"]]).decode(
    token["access_token"], keys,
    claims_options={"iss": {"essential": True, "value": base}, "aud": {"essential": True, "value": base}},
)
claims.validate()
assert claims["client_id"] == os.environ["CLIENT_ID"], claims

seen = session.introspect_token(meta["introspection_endpoint"], token=token["access_token"])
assert seen.json().get("active") is True, (seen.text, seen.request.headers, seen.request.body)
gone = session.revoke_token(meta["revocation_endpoint"], token=token["access_token"])
assert gone.json()["revoked"] is True, gone.text
seen = session.introspect_token(meta["introspection_endpoint"], token=token["access_token"])
assert seen.json() == {"active": False}, seen.text
