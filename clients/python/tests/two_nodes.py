"""A second node beside a server's, on the same database, and one address in front of both."""

import copy
import os
import socket
import threading

from .bearerd_server import free_address


def second_node(server):
    """Starts another node of a server. Its kill ends it."""
    other = copy.copy(server)
    other.address, other._ops, other._process = free_address(), free_address(), None
    with open(os.path.join(server.directory, "bearerd.yaml"), encoding="utf-8") as f:
        config = f.read()
    other.config = "second.yaml"
    other._write(other.config, config.replace(server.address, other.address).replace(server._ops, other._ops))
    other.start()
    return other


class Front:
    """Forwards connections: those that begin with a stream or a confirmation where lead says."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        self._stream = self._rest = ""
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def lead(self, stream, rest):
        """Has streams led to one address, and all other requests to another."""
        self._stream, self._rest = stream, rest

    def cut(self):
        """Ends every connection."""
        for s in list(self._open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self._listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, client):
        first = client.recv(1 << 16)
        address = self._stream if first.startswith(b"GET /auth/revocations?") or first.startswith(b"GET /auth/revocations ") else self._rest
        host, port = address.split(":")
        try:
            node = socket.create_connection((host, int(port)))
        except OSError:
            client.close()
            return
        self._open |= {client, node}
        node.sendall(first)
        back = threading.Thread(target=self._copy, args=(node, client), daemon=True)
        back.start()
        self._copy(client, node)
        back.join()
        self._open -= {client, node}
        client.close()
        node.close()

    def _copy(self, source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
