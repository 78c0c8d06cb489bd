"""JSON and base64url, each with only one possible reading."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

MAX_MEMBERS = 64
MAX_DEPTH = 8
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class Malformed(ValueError):
    """Input that is not well-formed."""


class _NoInteger:
    """A number with a fraction or an exponent, or minus zero: equal to no integer."""

    def __init__(self, digits: str) -> None:
        self.digits = digits


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_MEMBERS:
        raise Malformed("too many members")
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Malformed("a member is repeated")
    return out


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _integer(digits: str) -> Any:
    if len(digits) > 20:
        raise Malformed("a number is too large")
    return _NoInteger(digits) if digits == "-0" else int(digits)


_decoder = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_constant=_no_constant,
    parse_float=_NoInteger,
    parse_int=_integer,
)


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads one JSON object in UTF-8 (RFC 8259) without duplicate members."""
    try:
        text = body.decode("utf-8")
        value = _decoder.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")  # refuses lone surrogates
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(value, MAX_DEPTH)
    except (ValueError, RecursionError) as err:
        raise Malformed(str(err)) from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return value


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, (dict, list)):
        if not left:
            raise Malformed("nested too deeply")
        for member in value.values() if isinstance(value, dict) else value:
            _check_depth(member, left - 1)


def decode_part(part: str) -> bytes:
    """Decodes base64url without padding that has exactly one spelling (RFC 7515 §2)."""
    if not _BASE64URL.fullmatch(part):
        raise Malformed("not base64url")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise Malformed("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise Malformed("not canonical base64url")
    return raw


def text(value: Any, name: str, *, empty: bool = False) -> str:
    """Returns a member that is a string."""
    if not isinstance(value, str) or not (value or empty):
        raise Malformed(f"{name} is missing, empty, or not a string")
    return value


def integer(value: Any, name: str, maximum: int = (1 << 63) - 1) -> int:
    """Returns a member that is an integer from 0 to a maximum."""
    if type(value) is not int or not 0 <= value <= maximum:
        raise Malformed(f"{name} is not an integer in the allowed range")
    return value


def seconds(value: Any, name: str, maximum: float) -> float:
    """Returns a member that is a number above 0, up to a maximum."""
    number = float(value.digits) if isinstance(value, _NoInteger) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= maximum:
        raise Malformed(f"{name} is not a number in the allowed range")
    return float(number)


def texts(value: Any, name: str) -> tuple[str, ...]:
    """Returns a member that is a list of strings."""
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise Malformed(f"{name} is not a list of strings")
    return tuple(value)
