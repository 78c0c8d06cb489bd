"""The shapes of other systems' tokens."""

import time
import unittest

from bearerd.verify._token import Forms


class ForeignTokens(unittest.TestCase):
    def test_a_value_is_recognised_by_its_shape(self):
        forms = Forms("bda_", [
            {"name": "knox", "pattern": "[0-9a-f]{64}"},
            {"name": "nb", "prefix": "nbt_"},
            {"name": "hypothesis", "pattern": "6879-[A-Za-z0-9_-]{43}"},
        ])
        for raw, known in (
            ("0a" * 32, True), ("0a" * 31, False), ("0A" * 32, False), ("0a" * 32 + "\n", False),
            ("nbt_" + "x" * 16, True), ("nbt_" + "x" * 15, False), ("nbt_" + "x" * 509, False), ("nbt_ " + "x" * 20, False),
            ("6879-" + "_" * 43, True), ("6879-" + "_" * 36, False), ("", False),
        ):
            self.assertEqual((forms.is_opaque(raw), forms.is_api_token(raw)), (known, known), raw)
        self.assertFalse(Forms("bda_").is_opaque("0a" * 32))

    def test_a_pattern_that_could_take_for_ever_is_refused(self):
        for pattern in ("(a|aa){1,60}b", "a+b", "a*", ".{20}", "[a-z]{0,60}[a-z]{0,60}", "[^a]{20}", "^a{20}$", "a{20}|b{20}", "a{20,}"):
            with self.assertRaises(ValueError, msg=pattern):
                Forms("bda_", [{"pattern": pattern}])
        for shape in ({}, {"pattern": "a{20}", "prefix": "x_"}):
            with self.assertRaises(ValueError):
                Forms("bda_", [shape])
        begun = time.perf_counter()
        Forms("bda_", [{"pattern": "x[0-9a-z]{20,500}y"}]).is_opaque("x" + "0" * 511)
        self.assertLess(time.perf_counter() - begun, 0.5)
