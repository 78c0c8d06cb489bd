"""Which keys count, of an issuer that shows a JWK Set."""

import unittest

from bearerd.verify._issuer import Issuer
from bearerd.verify._token import shared_key

KEY = b'{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'


class Keys(unittest.TestCase):
    def keys_with(self, members):
        issuer = Issuer("https://auth.example.org", None, tls=None, allow_http=False)
        key = shared_key(b"thirty-two bytes of a shared secret, no less")
        issuer.shared = {"": key, key.id: key}
        issuer.metadata = {"jwks_uri": "https://auth.example.org/jwks"}
        issuer._ask = lambda *_: b'{"keys":[' + members + b"]}"
        issuer.fetch_keys()
        return set(issuer.keys) - {key.id}

    def test_a_shared_secret_counts_only_where_the_issuer_shows_no_keys(self):
        """Who left HS256 may have done so because the secret leaked."""
        self.assertEqual(self.keys_with(b""), {""})
        self.assertEqual(self.keys_with(KEY), {"k"})
        self.assertEqual(self.keys_with(b'{"kty":"new"}'), set())


if __name__ == "__main__":
    unittest.main()
