"""The same small application in each framework: it answers who the request is from."""

import asyncio
import json
import threading
import wsgiref.simple_server


def described(who):
    if who is None:
        return {"user": None}
    return {
        "user": who.username, "subject": who.subject, "name": who.name, "groups": list(who.groups),
        "scope": sorted(who.scope), "collection": who.collection,
    }


def plain_wsgi(environ, start_response):
    body = json.dumps(described(environ["bearerd.identity"])).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def plain_asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = json.dumps(described(scope["bearerd"])).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def flask_application(**config):
    import flask

    from bearerd.flask import Bearerd

    app = flask.Flask(__name__)
    app.config.update(config)
    Bearerd(app)

    @app.route("/<path:_>", methods=["GET", "POST"])
    def show(_):
        return described(flask.g.bearerd)

    return app


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Upstream:
    """Serves a WSGI application on a free port; ``app`` may be changed."""

    def __init__(self, app=None):
        self.app = app
        self._server = wsgiref.simple_server.make_server(
            "127.0.0.1", 0, lambda environ, start: self.app(environ, start), handler_class=_Handler
        )
        self.url = "http://127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def call_asgi(app, headers):
    """Sends one request to an ASGI application, and returns status and body."""
    status, _, body = answer_of_asgi(app, headers)
    return status, body


def answer_of_asgi(app, headers):
    """Sends one request to an ASGI application, and returns status, headers and body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[0]["headers"], b"".join(m.get("body", b"") for m in sent)
