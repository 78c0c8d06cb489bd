"""Flask: who sent a request, in ``g.bearerd``, and the application's side of a sign-in source."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Callable, Optional

import flask

from . import sign_in
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
        """Sets ``g.bearerd`` in each request of an application."""
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


class SignIn:
    """The application's side of a sign-in source, and the page that bearerd sends people to.

    ``SignIn(app)`` serves ``/bearerd-sign-in`` for an application with Flask-Login.

    - ``person`` returns what an assertion says about a user: by default ``id`` as the subject, and
      ``username``, ``name`` and ``email`` if the user has them.
    - ``user`` returns the user who is signed in by the application's own session, or None.
      By default that is Flask-Login's. It must not be the user that bearerd names,
      or a token would become a session.
    - ``login`` is the endpoint of the login page, which redirects to its argument ``next``.
      By default ``login_manager.login_view``.
    - ``authenticate`` takes a username and a password and returns the user, or None. With
      it ``/bearerd-check-password`` is served, for ``password_url`` of the source.

    The configuration keys are BEARERD_ISSUER, BEARERD_SIGN_IN_SOURCE,
    BEARERD_SIGN_IN_SECRET_FILE and BEARERD_SIGN_IN_ISSUER.
    """

    def __init__(
        self,
        app: Optional[flask.Flask] = None,
        *,
        person: Callable[[Any], sign_in.Person] = lambda user: person_of(user),
        user: Optional[Callable[[], Any]] = None,
        login: str = "",
        authenticate: Optional[Callable[[str, str], Any]] = None,
    ) -> None:
        self._person, self._user, self._login, self._authenticate = person, user, login, authenticate
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Adds the pages to an application."""
        app.add_url_rule("/bearerd-sign-in", "bearerd_sign_in", self.sign_in, methods=["GET"])
        if self._authenticate is not None:
            app.add_url_rule("/bearerd-check-password", "bearerd_check_password", self.check_password, methods=["POST"])
        if self._user is None:
            from flask_login import user_logged_in

            user_logged_in.connect(_note_sign_in, app)

    def sign_in(self) -> flask.Response:
        """The page. It is served at another address by ``app.add_url_rule(…, view_func=…)``."""
        if flask.request.method != "GET":  # HEAD comes with every rule for GET
            flask.abort(405)
        source = _source()
        user = self._user() if self._user is not None else _of_flask_login()
        if user is None:
            return _response(sign_in.answer(source, flask.request.args, None, self._login_page))
        if not getattr(user, "is_active", True):
            return _response(sign_in.inactive())
        person = self._person(user)
        if person.signed_in_at is None and self._user is None:
            person = dataclasses.replace(person, signed_in_at=_signed_in_at())
        return _response(sign_in.answer(source, flask.request.args, person, self._login_page))

    def check_password(self) -> flask.Response:
        """Answers whether a password is right."""
        authenticate = self._authenticate

        def person(username: str, password: str) -> Optional[sign_in.Person]:
            user = authenticate(username, password) if authenticate is not None else None
            return self._person(user) if user is not None and getattr(user, "is_active", True) else None

        if flask.request.content_length is None or flask.request.content_length > sign_in.MAX_BODY:
            flask.abort(413)
        get = header_of(flask.request.environ)
        return _response(sign_in.check_password(_source(), get, flask.request.get_data(), person))

    def _login_page(self, query: str) -> str:
        login = self._login
        if not login:
            login = flask.current_app.login_manager.login_view  # type: ignore[attr-defined]
        return flask.url_for(login, next=f"{flask.request.script_root}{flask.request.path}?{query}")


def person_of(user: Any) -> sign_in.Person:
    """Returns what an assertion says about a user who has an ``id``. It doesn't use ``get_id()``,
    which changes with the password if Flask-Login's alternative tokens are used."""
    username, name, email = (str(getattr(user, part, "") or "") for part in ("username", "name", "email"))
    return sign_in.Person(str(user.id), username, name, email)


_SIGNED_IN = "bearerd_signed_in"


def _note_sign_in(_: flask.Flask, user: Any, **__: Any) -> None:
    """Records in the session when its user signed in, for bearerd's ``max_age``. A
    "remember me" cookie is not a sign-in, and the time of another user doesn't count."""
    flask.session[_SIGNED_IN] = [str(user.get_id()), int(time.time())]


def _signed_in_at() -> Optional[float]:
    noted = flask.session.get(_SIGNED_IN)
    return noted[1] if noted and noted[0] == flask.session.get("_user_id") else None


def _of_flask_login() -> Any:
    """Returns the user of Flask-Login's session, not one that a request_loader found: that
    may be one that loads the users that bearerd names."""
    from flask_login import current_user

    if current_user.is_anonymous or flask.session.get("_user_id") != str(current_user.get_id()):
        return None
    return current_user._get_current_object()


def _source() -> sign_in.Source:
    config = flask.current_app.config
    return sign_in.Source(
        config["BEARERD_ISSUER"],
        config["BEARERD_SIGN_IN_SOURCE"],
        sign_in.read_secret(config["BEARERD_SIGN_IN_SECRET_FILE"]),
        sign_in.origin_for(config.get("BEARERD_SIGN_IN_ISSUER", ""), flask.request.host_url),
    )


def _response(made: sign_in.Answer) -> flask.Response:
    return flask.Response(made.body, made.status, dict(made.headers))
