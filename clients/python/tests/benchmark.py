"""A token seen before costs a small part of what PyJWT takes, in the same run."""

import json
import os
import time
import unittest

import jwt

from .test_vectors import VECTORS, verifier_of


def measure():
    """Returns the seconds of bearerd.verify and of PyJWT for one token, the least of many."""
    with open(os.path.join(VECTORS, "keys.json"), encoding="utf-8") as f:
        keys = json.load(f)
    with open(os.path.join(VECTORS, "good.json"), encoding="utf-8") as f:
        raw = json.load(f)["vectors"][0]["token"]
    verifier = verifier_of(keys, "keys")
    key = jwt.PyJWK(keys["jwks"]["keys"][0]).key
    options = {"verify_exp": False, "verify_iat": False}

    def least(f, times):
        best = float("inf")
        for _ in range(20):
            begun = time.perf_counter()
            for _ in range(times):
                f()
            best = min(best, (time.perf_counter() - begun) / times)
        return best

    ours = least(lambda: verifier.verify(raw), 2000)
    control = least(
        lambda: jwt.decode(raw, key, algorithms=["EdDSA"], audience=keys["audience"], issuer=keys["issuer"], options=options), 50
    )
    return ours, control


if __name__ == "__main__":
    ours, control = measure()
    print(f"seen before: {ours * 1e6:.2f} us, PyJWT: {control * 1e6:.1f} us, ratio {ours / control:.4f} (budget 0.03)")
