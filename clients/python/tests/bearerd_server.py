"""A real bearerd for the tests: the binary that TEST_BINARY names, in a directory of
its own, which can be stopped, killed and started again on the same address."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

BINARY = os.environ.get("TEST_BINARY", "")
CLIENT, SECRET = "service", "a-secret-of-the-service-in-the-tests"

ACCESS = """
collections:
  - {id: 4, name: Fishes}
roles:
  - {name: curator, permissions: [{action: access, path: /}]}
users:
  - {username: ada, password: "test#password", name: Ada Lovelace, email: ada@example.org, groups: [curators, staff]}
  - {username: "Müller", password: "test#password", name: "Jörg Müller"}
  - {username: stranger, password: "test#password"}
bindings:
  - {user: ada, role: curator, path: /collections/4}
clients:
  - {id: service, secret: a-secret-of-the-service-in-the-tests, grants: [client_credentials], scopes: [revocations, introspect, read]}
  - id: agent
    secret: a-secret-of-the-service-in-the-tests
    grants: [client_credentials, "urn:ietf:params:oauth:grant-type:token-exchange"]
    scopes: [read]
    exchange_from: [relay]
  - {id: relay, secret: a-secret-of-the-service-in-the-tests, grants: [client_credentials], scopes: [read]}
"""

CONFIG = """
issuer: %(issuer)s
listen: %(address)s
ops_listen: %(ops)s
scopes: {read: Read, write: Write}
revocation: {max_staleness: %(staleness)s}
%(more)s
"""


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


class Server:
    """A server; use it in a with statement, or call stop."""

    config = "bearerd.yaml"

    def __init__(self, staleness="1s", more="", issuer=""):
        self._dir = tempfile.TemporaryDirectory()
        self.directory = self._dir.name
        self.address, self._ops = free_address(), free_address()
        self.url = "http://" + self.address
        names = {"address": self.address, "ops": self._ops, "staleness": staleness, "more": more, "issuer": issuer or self.url}
        self._write(self.config, CONFIG % names)
        self._write("access.yaml", ACCESS)
        self.run("apply", "-f", "access.yaml")
        self._process = None
        self.start()

    def _write(self, name, text):
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as f:
            f.write(text)

    def run(self, *arguments, given=""):
        """Runs a command of bearerd and returns what it printed."""
        command = [BINARY, *arguments, "--config", self.config]
        done = subprocess.run(command, cwd=self.directory, input=given, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stderr}")
        return done.stdout.strip()

    def start(self):
        log = open(os.path.join(self.directory, "log"), "ab")
        self._process = subprocess.Popen([BINARY, "serve", "--config", self.config], cwd=self.directory, stderr=log)
        log.close()
        end = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"http://{self._ops}/readyz", timeout=2):
                    return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    with open(os.path.join(self.directory, "log"), encoding="utf-8") as f:
                        raise AssertionError("bearerd isn't ready:\n" + f.read()) from None
                time.sleep(0.02)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._dir.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def issue(self, user="ada", *more):
        """Returns a new access token."""
        return self.run("token", "issue", user, "--scope", "read", *more)

    def create(self, user="ada", *more):
        """Returns a new API token."""
        return self.run("token", "create", user, "--name", "of a test", "--scope", "read", *more)

    def revoke(self, raw):
        """Revokes a token, and returns when every node of bearerd has honoured that."""
        self.run("token", "revoke", "--file", "-", given=raw + "\n")

    def post(self, path, form, headers=None):
        request = urllib.request.Request(self.url + path, urllib.parse.urlencode(form).encode(), headers or {})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"{}")


def get(url, headers=None, method="GET", data=None):
    """Returns status, headers and body, whatever the status is."""
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.headers, err.read().decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
