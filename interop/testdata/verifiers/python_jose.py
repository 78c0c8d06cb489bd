"""Verifies TOKEN with python-jose; ends with 3 when it is refused, and with 0 when there is none."""
import os
import sys

import requests
from jose import jwt
from jose.exceptions import JOSEError

if os.environ["TOKEN"]:
    issuer = os.environ["BEARERD"]
    keys = requests.get(issuer + "/.well-known/jwks.json", timeout=10).json()
    try:
        jwt.decode(
            os.environ["TOKEN"], keys, algorithms=[os.environ["ALGORITHM"]], issuer=issuer, audience=os.environ["AUDIENCE"],
            options={"require_exp": True, "require_sub": True},
        )
    except JOSEError as error:
        print(repr(error))
        sys.exit(3)
