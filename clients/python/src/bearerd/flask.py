"""Flask: who a request is from, in ``g.bearerd``."""

from __future__ import annotations

from typing import Any, Optional

import flask

from .identity import AssertionReader, Forbidden, Untrusted, identify
from .wsgi import assertion_reader, header_of, problem


class Bearerd:
    """An extension that puts the Identity of a request, or None, into ``g.bearerd``.

    ``Bearerd(app)``, or ``Bearerd()`` and ``init_app(app)`` later. The configuration keys
    are BEARERD_ISSUER, BEARERD_AUDIENCE and BEARERD_ASSERTION, with the meaning of the
    arguments of ``bearerd.wsgi.BearerdMiddleware``.
    """

    def __init__(self, app: Optional[flask.Flask] = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Begins to identify the requests of an application."""
        reader = assertion_reader(app.config.get("BEARERD_ISSUER", ""), app.config.get("BEARERD_ASSERTION", ""))
        audience = app.config.get("BEARERD_AUDIENCE", "")
        app.extensions["bearerd"] = self
        app.before_request(lambda: _identify(reader, audience))


def _identify(reader: Optional[AssertionReader], audience: str) -> Any:
    try:
        flask.g.bearerd = identify(header_of(flask.request.environ), reader, audience)
    except (Untrusted, Forbidden) as err:
        status = 401 if isinstance(err, Untrusted) else 403
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="bearerd"'
        return flask.Response(problem(str(err), status), status, headers)
    return None
