"""What a token says, and the keys that sign tokens."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import ipaddress
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Optional, Union

import jwt as pyjwt

from ..identity import plain_audience
from ._errors import MALFORMED, Refused
from ._strict import Malformed, decode_part, integer, parse_object, text, texts

MAX_TOKEN = 8 << 10  # bytes
_CLIENT = "client:"
_MAX_ACTORS = 4
_MAX_NETWORKS = 32
_MAX_CLIENT = 255  # bytes of a client's id, the longest of what a token names
SKEW = 30  # seconds that the issuer's clock may be ahead; expiry has no leeway
_MAX_DATE = 1 << 53
_FORBIDDEN_HEADERS = frozenset(("crit", "jku", "jwk", "x5u", "x5c", "b64"))
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALGORITHMS: dict[str, Any] = pyjwt.algorithms.get_default_algorithms()  # type: ignore[no-untyped-call]
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclasses.dataclass(frozen=True)
class Token:
    """What a token says. Times are Unix seconds.

    ``kind`` is ``access``, ``task`` or ``api-token``. ``subject`` is the user's id, or
    the client's if the client acts for itself. ``expires`` is None for a token that has no
    end. ``seq`` is the entry of the revocation log as of which it was decided. ``actors``
    are the ids of the users and clients that act for the subject (RFC 8693 §4.1), the
    current actor first; only the first counts for deciding about access. ``networks`` are
    those that the token may be used from; None: it is not limited.
    """

    kind: str
    id: str
    subject: str
    audience: tuple[str, ...]
    expires: Optional[int]
    issued_at: int = 0
    client_id: str = ""
    username: str = ""
    scope: frozenset[str] = frozenset()
    collection: Optional[int] = None
    chain: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    seq: int = 0
    task_token_type: str = ""
    networks: Optional[tuple[_Network, ...]] = None
    issuer: str = dataclasses.field(default="", repr=False)
    type: str = dataclasses.field(default="at+jwt", repr=False)
    not_before: int = dataclasses.field(default=0, repr=False)
    key_id: Optional[str] = dataclasses.field(default=None, repr=False)  # None: not a JWT
    as_of: int = dataclasses.field(default=0, repr=False)  # the log when the issuer was asked

    def __post_init__(self) -> None:
        # A link of the chain names a token, or a client to which one of them was issued.
        clients = tuple(link[len(_CLIENT):] for link in self.chain if link.startswith(_CLIENT))
        object.__setattr__(self, "chain_clients", clients)

    chain_clients: tuple[str, ...] = dataclasses.field(default=(), init=False, repr=False)

    def may(self, scope: str) -> bool:
        """Reports whether the token has a scope."""
        return scope in self.scope


@dataclasses.dataclass(frozen=True)
class Key:
    """A key that verifies: the algorithm that goes with it, and PyJWT's form of it."""

    id: str
    algorithm: str
    key: Any

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        try:
            return bool(_ALGORITHMS[self.algorithm].verify(signed, self.key, signature))
        except (ValueError, TypeError):
            return False


def shared_key(secret: bytes) -> Key:
    """Returns the key of a secret that issuer and service share (HS256)."""
    if len(secret) < 32:
        raise ValueError("the shared secret is shorter than 32 bytes")
    return Key(_thumbprint_of_secret(secret), "HS256", secret)


def _thumbprint_of_secret(secret: bytes) -> str:
    """Returns bearerd's id of a shared secret, which says nothing of the secret itself."""
    digest = hmac.new(secret, b"bearerd key id", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


_CURVES = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


def read_jwks(body: bytes) -> dict[str, Key]:
    """Reads a JWK Set (RFC 7517 §5) by key id.

    Keys of a sort that bearerd doesn't use are left out. What has a private member, a
    weak key, or one id twice is Malformed.
    """
    members = parse_object(body).get("keys")
    if not isinstance(members, list):
        raise Malformed("keys isn't a list")
    keys: dict[str, Key] = {}
    for member in members:
        key = _read_jwk(member) if isinstance(member, dict) else None
        if key is None:
            continue
        if key.id in keys:
            raise Malformed("two keys with the same id")
        keys[key.id] = key
    return keys


def _read_jwk(member: dict[str, Any]) -> Optional[Key]:
    kind, use = member.get("kty"), member.get("use", "sig")
    algorithm = member.get("alg") or _CURVES.get((str(kind), str(member.get("crv"))))
    fits = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", None), "PS256": ("RSA", None)}
    if use != "sig" or algorithm not in fits or fits[algorithm] != (kind, member.get("crv")):
        return None
    if _PRIVATE & member.keys():
        raise Malformed("a private key")
    kid = text(member.get("kid"), "kid")
    if len(kid) > 128:
        raise Malformed("kid is too long")
    try:
        key = _ALGORITHMS[algorithm].from_jwk(member)
    except (pyjwt.PyJWTError, ValueError, TypeError) as err:
        raise Malformed(f"a bad key: {err}") from None
    if kind == "RSA" and not 2048 <= key.key_size <= 8192:
        raise Malformed("a weak key")
    return Key(kid, algorithm, key)


def split_jwt(raw: str) -> Optional[tuple[str, str, str]]:
    """Returns the three parts of a token that has the shape of a JWT, or None."""
    parts = raw.split(".")
    if len(parts) != 3 or not all(parts):
        return None
    return parts[0], parts[1], parts[2]


def key_id_of(head: str) -> tuple[str, str, str]:
    """Returns algorithm, type and key id of a header ("": it has none)."""
    header = parse_object(decode_part(head))
    if _FORBIDDEN_HEADERS & header.keys():
        raise Malformed("a header that isn't allowed")
    kid = header.get("kid")
    if kid is not None or "kid" in header:
        kid = text(kid, "kid")
        if len(kid) > 128:
            raise Malformed("kid is too long")
    algorithm = text(header.get("alg", ""), "alg", empty=True)
    return algorithm, text(header.get("typ", ""), "typ", empty=True), kid or ""


def read_jwt(parts: tuple[str, str, str], header: tuple[str, str, str], key: Key) -> Token:
    """Checks a signature and reads the claims. What is wrong is Refused without detail."""
    algorithm, kind, kid = header
    signature = decode_part(parts[2])
    if algorithm != key.algorithm or not kid and algorithm != "HS256":
        raise Refused(MALFORMED)
    if not key.verifies(f"{parts[0]}.{parts[1]}".encode("ascii"), signature):
        raise Refused(MALFORMED)
    return _read_claims(parse_object(decode_part(parts[1])), kind, kid)


def _read_claims(claims: dict[str, Any], type_: str, kid: str) -> Token:
    task = claims.get("task_token_type", "")
    if "task_token_type" in claims:
        text(task, "task_token_type")
    collection = claims.get("collection")
    if "collection" in claims:
        collection = integer(collection, "collection")
    kind = "exchange-key" if type_ != "at+jwt" else "task" if task else "access"
    return Token(
        kind=kind,
        type=type_,
        key_id=kid,
        issuer=text(claims.get("iss"), "iss"),
        subject=text(claims.get("sub"), "sub"),
        audience=_audience(claims.get("aud")),
        expires=integer(claims.get("exp"), "exp", _MAX_DATE),
        issued_at=integer(claims.get("iat"), "iat", _MAX_DATE),
        not_before=integer(claims.get("nbf", 0), "nbf", _MAX_DATE),
        id=text(claims.get("jti"), "jti"),
        client_id=text(claims.get("client_id", ""), "client_id", empty=True),
        username=text(claims.get("username", ""), "username", empty=True),
        scope=_scope(claims.get("scope", "")),
        collection=collection,
        chain=_chain(claims.get("chain", [])),
        actors=_actors(claims["act"]) if "act" in claims else (),
        seq=integer(claims.get("seq", 0), "seq"),
        task_token_type=task,
        networks=_networks(claims["networks"]) if "networks" in claims else None,
    )


def read_introspection(claims: dict[str, Any]) -> Token:
    """Reads an answer of RFC 7662 §2.2 that says active, with bearerd's members."""
    kind = text(claims.get("token_kind"), "token_kind")
    if kind not in ("access", "task", "api-token"):
        raise Malformed("it is not about a token that calls APIs")
    scope = text(claims.get("scope", ""), "scope", empty=True)
    return Token(
        kind=kind,
        issuer=text(claims.get("iss"), "iss"),
        id=text(claims.get("jti"), "jti"),
        subject=text(claims.get("sub"), "sub"),
        audience=_audience(claims.get("aud")),
        expires=integer(claims["exp"], "exp", _MAX_DATE) if "exp" in claims else None,
        issued_at=integer(claims.get("iat", 0), "iat", _MAX_DATE),
        client_id=text(claims.get("client_id", ""), "client_id", empty=True),
        username=text(claims.get("username", ""), "username", empty=True),
        scope=frozenset(scope.split()),
        collection=integer(claims["collection"], "collection") if "collection" in claims else None,
        chain=_chain(claims.get("chain", [])),
        actors=_actors(claims["act"]) if "act" in claims else (),
        seq=integer(claims.get("seq"), "seq"),
        task_token_type=text(claims.get("task_token_type", ""), "task_token_type", empty=True),
        networks=_networks(claims["networks"]) if "networks" in claims else None,
        as_of=integer(claims.get("log_seq"), "log_seq"),
    )


def _audience(value: Any) -> tuple[str, ...]:
    list_ = (value,) if isinstance(value, str) else texts(value, "aud")
    if not list_ or "" in list_:
        raise Malformed("aud is missing or empty")
    return tuple(plain_audience(one) for one in list_)


def _scope(value: Any) -> frozenset[str]:
    names = texts(value, "scope") if isinstance(value, list) else text(value, "scope", empty=True).split(" ")
    if names == [""]:
        return frozenset()
    if not all(_SCOPE.fullmatch(name) for name in names):
        raise Malformed("scope isn't of RFC 6749 syntax")
    return frozenset(names)


def _chain(value: Any) -> tuple[str, ...]:
    links = texts(value, "chain")
    if len(links) > 16 or not all(_is_link(link) for link in links):
        raise Malformed("chain isn't a short list of ids")
    return links


def _is_link(link: str) -> bool:
    if link.startswith(_CLIENT):
        return 0 < len(link.encode()) - len(_CLIENT) <= _MAX_CLIENT
    return 0 < len(link.encode()) <= 64


def _actors(value: Any) -> tuple[str, ...]:
    """Returns who acts for the subject, the outermost first. Each level is an object of
    sub, or of sub and act: another member may name somebody who isn't judged."""
    actors: list[str] = []
    while True:
        if not isinstance(value, dict) or not value.keys() <= {"sub", "act"} or len(actors) == _MAX_ACTORS:
            raise Malformed("act isn't an object of sub, or of sub and act, at most 4 deep")
        actors.append(text(value.get("sub"), "act"))
        if len(actors[-1].encode()) > _MAX_CLIENT:
            raise Malformed("the sub of act is too long")
        if "act" not in value:
            return tuple(actors)
        value = value["act"]


def _networks(value: Any) -> tuple[_Network, ...]:
    """Returns networks, each in its one spelling: no verifier may read another one."""
    listed = texts(value, "networks")
    if not 0 < len(listed) <= _MAX_NETWORKS:
        raise Malformed("networks isn't a short list of networks")
    return tuple(_network(one) for one in listed)


def _network(one: str) -> _Network:
    try:
        network = ipaddress.ip_network(one)
    except ValueError:
        raise Malformed("networks has something else than a network") from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if str(network) != one or "%" in one or mapped is not None or network.prefixlen == 0:
        raise Malformed("a network isn't in its one spelling")
    return network


# A pattern of another system's tokens: characters, and classes with a repetition. There is
# at most one that varies, so that matching takes a time that grows with the length alone.
_PIECE = re.compile(
    r"(?:[A-Za-z0-9_~:/@%=-]|\\[.+*?]|\[[A-Za-z0-9_.~:/@%+=-]+\])(?:\{([0-9]{1,3})(,[0-9]{1,3})?\})?"
)
_LEAST, _MOST = 20, 512  # characters of a value


def _foreign(shape: Mapping[str, str]) -> "re.Pattern[str]":
    """Compiles the shape of another system's tokens: a pattern, or a prefix."""
    pattern, prefix = shape.get("pattern") or "", shape.get("prefix") or ""
    if (not pattern) == (not prefix):
        raise ValueError("a shape of foreign_tokens has either a pattern or a prefix")
    if prefix:
        return re.compile(re.escape(prefix) + r"[A-Za-z0-9._~+/=-]*")
    at, varying = 0, 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            raise ValueError("a pattern of foreign_tokens has more than characters, classes and bounded repetitions")
        varying += piece[2] is not None
        at = piece.end()
    if varying > 1:
        raise ValueError("a pattern of foreign_tokens has more than one repetition that varies")
    return re.compile(pattern)


class Forms:
    """Recognizes kinds of tokens by their prefix or shape, never by trial."""

    def __init__(self, api_token_prefix: str, foreign_tokens: Iterable[Mapping[str, str]] = ()) -> None:
        self._api = {"bda_", api_token_prefix}
        self._prefixes = (*self._api, "bdr_", "bds_", "bdc_", "bdo_")
        self._foreign = [_foreign(shape) for shape in foreign_tokens]

    def is_opaque(self, raw: str) -> bool:
        return raw.startswith(self._prefixes) or self._is_foreign(raw)

    def is_api_token(self, raw: str) -> bool:
        """Reports whether an opaque token is a well-formed API token, by its checksum, or
        has the shape of another system's tokens."""
        for prefix in self._api:
            if raw.startswith(prefix) and _has_checksum(raw[len(prefix):]):
                return True
        return self._is_foreign(raw)

    def _is_foreign(self, raw: str) -> bool:
        return _LEAST <= len(raw) <= _MOST and any(p.fullmatch(raw) for p in self._foreign)


def _has_checksum(body: str) -> bool:
    if len(body) != 36 or not all(c in _BASE62 for c in body):
        return False
    value = 0
    for c in body[30:]:
        value = value * 62 + _BASE62.index(c)
    return value == zlib.crc32(body[:30].encode("ascii"))
