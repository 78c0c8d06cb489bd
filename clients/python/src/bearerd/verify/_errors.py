"""What verify raises."""

from __future__ import annotations


class Error(Exception):
    """The token is not accepted: Refused or Unavailable.

    ``status`` is the HTTP status to answer with, and ``code`` the error code of
    RFC 6750 §3.1; the text of the exception is for the client, and holds no secret.
    """

    status: int = 503
    code: str = ""

    def challenge(self, realm: str = "api") -> str:
        """Returns the value of WWW-Authenticate to answer with (RFC 6750 §3)."""
        return f'Bearer realm="{realm}", error="{self.code}", error_description="{self}"'


class Refused(Error):
    """The token is not valid, or not for this request: ``status`` is 401 or 403."""

    def __init__(self, reason: str, status: int = 401) -> None:
        super().__init__(reason)
        self.status = status
        self.code = "invalid_token" if status == 401 else "insufficient_scope"


class Unavailable(Error):
    """The token can't be checked now: answer 503 with ``Retry-After: 1``."""

    status = 503
    code = "temporarily_unavailable"
    retry_after = 1


NO_NEWS = "this service has no recent news of the issuer's revocations and can't accept tokens now"
CANT_ASK = "the issuer can't be asked about the token now"
MALFORMED = "malformed or unknown token"
