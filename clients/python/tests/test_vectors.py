"""The test vectors that every verifier of bearerd's tokens judges alike."""

import glob
import json
import os
import unittest

from bearerd.verify import Refused, Verifier
from bearerd.verify._token import read_jwks, shared_key

VECTORS = os.path.join(os.path.dirname(__file__), "..", "..", "..", "verify", "testdata", "vectors")
WORDS = {"well-formed": "malformed or unknown token", "signature": "malformed or unknown token"}
NETWORK = (
    "the token is not for this network",
    "the token is limited to networks, and the client's address is not known",
)


class Vectors(unittest.TestCase):
    def test_every_vector_is_judged_by_its_own_check(self):
        with open(os.path.join(VECTORS, "keys.json"), encoding="utf-8") as f:
            keys = json.load(f)
        count = 0
        for path in sorted(glob.glob(os.path.join(VECTORS, "*.json"))):
            if path.endswith("keys.json"):
                continue
            with open(path, encoding="utf-8") as f:
                vectors = json.load(f)
            verifier = verifier_of(keys, vectors["verifier"])
            for vector in vectors["vectors"]:
                count += 1
                for turn in ("first", "again"):
                    with self.subTest(os.path.basename(path), name=vector["name"], turn=turn):
                        self.judge(verifier, vector)
        self.assertGreaterEqual(count, 430)

    def judge(self, verifier, vector):
        check = vector["check"]
        try:
            verifier.verify(vector["token"], vector.get("address"))
        except Refused as err:
            self.assertNotEqual(check, "", f"refused: {err}")
            self.assertEqual(err.status, 401)
            want = WORDS.get(check, "wrong " + check)
            self.assertTrue(str(err) == want or check == "time" and str(err) in ("expired", "not yet valid") or check == "network" and str(err) in NETWORK, f"{check}: {err}")
        else:
            self.assertEqual(check, "", "accepted")


def verifier_of(keys, name):
    """Returns a verifier that knows the vectors' keys and has a lease without end."""
    secret = keys["secret"].encode() if name == "secret" else None
    verifier = Verifier(
        keys["issuer"], keys["audience"], "client", "secret", shared_secret=secret, now=lambda: float(keys["now"])
    )
    if secret is None:
        verifier._issuer.keys = read_jwks(json.dumps(keys["jwks"]).encode())
    else:
        assert keys["secret_kid"] == shared_key(secret).id
    verifier._follower = Nothing()
    verifier._look_for_key = lambda kid: None
    verifier._log.lease_end = float("inf")
    return verifier


class Nothing:
    error = None

    def close(self):
        pass
