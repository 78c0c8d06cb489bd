"""Where a request comes from."""

import unittest

from bearerd.verify import client_address

PROXIES = ["10.0.0.0/8", "2001:db8::/32"]


class ClientAddress(unittest.TestCase):
    def test_the_last_address_that_is_not_a_proxys_is_the_clients(self):
        for peer, forwarded, want in [
            ("192.0.2.1", None, "192.0.2.1"),
            ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "127.0.0.1, 192.0.2.7", "192.0.2.7"),
            ("10.0.0.1", "1.2.3.4, 192.0.2.7,10.0.0.2", "192.0.2.7"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "192.0.2.7, junk, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "192.0.2.7, ,10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
            ("10.0.0.1:80", "192.0.2.7:", "10.0.0.1"),
            ("2001:db8::1", "[2001:4860::8]:99", "2001:4860::8"),
            ("[2001:db8::1]:1", "[2001:4860::8]", "2001:4860::8"),
            ("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
            ("fe80::1%eth0", None, "fe80::1"),
            ("10.0.0.1", "192.0.2.7," + "10.0.0.2," * 50 + "10.0.0.2", "10.0.0.2"),
            ("@", "192.0.2.7", None),
            ("", None, None),
            (None, None, None),
        ]:
            with self.subTest(peer=peer, forwarded=forwarded):
                self.assertEqual(client_address(peer, forwarded, PROXIES), want)

    def test_without_proxies_nobody_is_believed(self):
        self.assertEqual(client_address("127.0.0.1", "192.0.2.7", []), "127.0.0.1")
