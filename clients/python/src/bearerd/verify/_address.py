"""Where a request comes from, and whether a token may be used from there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Optional, Union

from ._errors import Refused
from ._token import Token

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
_MAX_HOPS = 32


def check_address(t: Token, address: Optional[str]) -> None:
    """Refuses a token that is limited to networks from elsewhere."""
    at = _read(address or "")
    if at is None:
        raise Refused("the token is limited to networks, and the client's address is not known")
    if not any(at.version == n.version and at in n for n in t.networks or ()):
        raise Refused("the token is not for this network")


def client_address(peer: Optional[str], forwarded_for: Optional[str], trusted_proxies: Iterable[str]) -> Optional[str]:
    """Returns the address that a request comes from, for ``Verifier.verify``, or None.

    ``peer`` is the other end of the connection (WSGI: ``environ["REMOTE_ADDR"]``, ASGI:
    ``scope["client"][0]``). Where it is one of ``trusted_proxies``, networks such as
    ``10.0.0.0/8``, the client is the last one in ``forwarded_for``, the value of
    X-Forwarded-For, that is not one of theirs. An entry that is no address stops the
    search at the proxy that sent it.
    """
    client = _hop(peer or "")
    if client is None:
        return None
    trusted = [ipaddress.ip_network(one) for one in trusted_proxies]
    rest = forwarded_for or ""
    for _ in range(_MAX_HOPS):
        if not rest or not any(client.version == n.version and client in n for n in trusted):
            break
        rest, _, last = rest.rpartition(",")
        before = _hop(last)
        if before is None:
            break
        client = before
    return str(client)


def _hop(text: str) -> Optional[_Address]:
    """Reads an address with or without a port, IPv6 with or without brackets."""
    text = text.strip(" \t")
    if text.startswith("["):
        inner, _, port = text[1:].partition("]")
        if not (port == "" or port.startswith(":") and port[1:].isdigit()):
            return None
        text = inner
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not port.isdigit():
            return None
    return _read(text)


def _read(text: str) -> Optional[_Address]:
    """Reads an address. One that is mapped into IPv6 is IPv4, and a zone doesn't count."""
    try:
        at = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(at, ipaddress.IPv6Address):
        return at.ipv4_mapped or ipaddress.IPv6Address(int(at))
    return at
