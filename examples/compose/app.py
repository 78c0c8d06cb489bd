"""A small API of specimens. It knows nothing of tokens: nginx asks bearerd about each
request beneath /api/, and says in headers who sends it."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SPECIMENS = [
    {"id": 1, "name": "Gadus morhua", "collection": "Fish"},
    {"id": 2, "name": "Salmo trutta", "collection": "Fish"},
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/api/specimens":
            self.answer(200, {"user": self.headers.get("Remote-User"), "specimens": SPECIMENS})
        elif self.path == "/":
            self.answer(200, {"hello": "ask /api/specimens with a token from /auth/tokens"})
        else:
            self.answer(404, {"error": "there is nothing here"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/api/specimens":
            return self.answer(404, {"error": "there is nothing here"})
        try:
            name = json.loads(body)["name"]
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": 'send {"name": "…"}'})
        SPECIMENS.append({"id": len(SPECIMENS) + 1, "name": name, "added_by": self.headers.get("Remote-User")})
        self.answer(201, SPECIMENS[-1])

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
