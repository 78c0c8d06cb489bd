"""Verifies TOKEN with Authlib; ends with 3 when it is refused, and with 0 when there is none."""
import os
import sys

import requests
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError

if os.environ["TOKEN"]:
    issuer = os.environ["BEARERD"]
    keys = JsonWebKey.import_key_set(requests.get(issuer + "/.well-known/jwks.json", timeout=10).json())
    options = {
        "iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": os.environ["AUDIENCE"]},
        "exp": {"essential": True}, "sub": {"essential": True},
    }
    try:
        JsonWebToken([os.environ["ALGORITHM"]]).decode(os.environ["TOKEN"], keys, claims_options=options).validate()
    except (JoseError, ValueError) as error:
        print(repr(error))
        sys.exit(3)
