"""The checks of authutils, which every Python service of a data commons makes: each key
of the set is read as RSA, and a token needs RS256, the issuer, the scopes and a purpose."""
import base64
import json
import os

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (4 - len(text) % 4)), "big")


def pem_of(key):
    if "kty" in key and key["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
        return key["kid"], public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key[0], key[1]  # a JWK of another type has no 0


def keys_of(issuer, force):
    address = issuer + "/jwt/keys"
    if not force:
        address = requests.get(issuer + "/.well-known/openid-configuration").json()["jwks_uri"]
    return dict(pem_of(key) for key in requests.get(address).json()["keys"])


def validate(token, keys, issuer, scope, purpose="access"):
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key=key, algorithms=["RS256"], options={"verify_aud": False})
    assert claims["iss"] in [issuer], claims
    scopes = claims.get("scope", [])
    if isinstance(scopes, str):
        scopes = scopes.split()
    assert isinstance(scopes, list), claims
    if set(scope) - set(scopes):
        raise PermissionError("missing scopes")
    assert claims["pur"] == purpose, claims
    return claims


commons = os.environ["COMMONS"]
issuer = commons + "/user"
file = json.loads(os.environ["CREDENTIALS"])


def trade(**query):
    return requests.post(issuer + "/credentials/api/access_token", params=query, json=file).json()["access_token"]


own = requests.post(issuer + "/oauth2/token?grant_type=client_credentials&scope=openid user",
                    auth=(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])).json()["access_token"]
tokens = {"key": trade(), "task": trade(task_token="TES", expires_in=7200), "client": own, "cli": os.environ["CLI_TOKEN"]}
for force in (False, True):
    keys = keys_of(issuer, force)
    for name, token in tokens.items():
        claims = validate(token, keys, issuer, {"openid"})  # what CurrentUser asks for
        user = claims.get("context", {}).get("user", {}).get("name")
        assert user == (None if name == "client" else "ada"), claims
    assert validate(file["api_key"], keys, issuer, set(), purpose="api_key")["azp"] == ""
    try:
        validate(os.environ["NARROW_TOKEN"], keys, issuer, {"openid"})
        raise SystemExit("a token without openid is accepted")
    except PermissionError:
        pass
