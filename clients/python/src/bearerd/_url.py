"""Which URLs a secret or a token may be sent to."""

from __future__ import annotations

import urllib.parse


def check_url(url: str, allow_http: bool = False) -> None:
    """Raises ValueError for a URL that is neither https nor http on a loopback address."""
    at = urllib.parse.urlsplit(url)
    loopback = at.hostname in ("localhost", "127.0.0.1", "::1")
    if not at.netloc or at.username is not None or not (
        at.scheme == "https" or at.scheme == "http" and (loopback or allow_http)
    ):
        raise ValueError(f"{url!r} is not an https URL (http is only for loopback, or with allow_http)")


def origin_of(url: str) -> str:
    """Returns the origin of a URL as browsers write it (RFC 6454 §6.2)."""
    at = urllib.parse.urlsplit(url)
    host = at.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    default = {"https": 443, "http": 80}.get(at.scheme)
    return f"{at.scheme}://{host}" + ("" if at.port in (None, default) else f":{at.port}")
