"""A service that verifies with bearerd.verify: GET / with a token is answered as it judges.

With CONFIRM it confirms revocations under that label. With SABOTAGE=forgetful it never judges a token again that it accepted once, for the tests
of the harness.
"""

import http.server
import json
import os

from bearerd.verify import Error, Verifier

verifier = Verifier(
    os.environ["ISSUER"], os.environ["ISSUER"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"], asks_per_second=10000,
    confirm=os.environ.get("CONFIRM", ""),
)
accepted = set() if os.environ.get("SABOTAGE") == "forgetful" else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", 1 << 16

    def do_GET(self):
        status, reason = 200, ""
        raw = self.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            if accepted is None or raw not in accepted:
                verifier.verify(raw)
            if accepted is not None:
                accepted.add(raw)
        except Error as err:
            status, reason = err.status, str(err)
        body = json.dumps({"error_description": reason}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
