"""Verifies TOKEN with PyJWT; ends with 3 when it is refused, and with 0 when there is none."""
import os
import sys

import jwt

if os.environ["TOKEN"]:
    issuer, raw = os.environ["BEARERD"], os.environ["TOKEN"]
    keys = jwt.PyJWKClient(issuer + "/.well-known/jwks.json")
    try:
        jwt.decode(
            raw, keys.get_signing_key_from_jwt(raw).key, algorithms=[os.environ["ALGORITHM"]], issuer=issuer,
            audience=os.environ["AUDIENCE"], options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        print(repr(error))
        sys.exit(3)
