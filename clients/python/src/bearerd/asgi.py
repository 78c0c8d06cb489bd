"""ASGI 3: who sent a request, in ``scope["bearerd"]``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

from .identity import Forbidden, Identity, Untrusted, identify
from .wsgi import assertion_reader, problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BearerdMiddleware:
    """Puts the Identity of a request or WebSocket, or None, into ``scope["bearerd"]``.

    The arguments are those of ``bearerd.wsgi.BearerdMiddleware``. A WebSocket whose
    identity can't be trusted is closed with code 1008 before it is accepted.
    """

    def __init__(
        self, app: Application, issuer: str = "", audience: str = "", assertion: str = "", **reader: Any
    ) -> None:
        self.app, self.audience = app, audience
        self.reader = assertion_reader(issuer, assertion, **reader)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            scope["bearerd"] = await self._identify(scope)
        except (Untrusted, Forbidden) as err:
            await _refuse(scope, send, 401 if isinstance(err, Untrusted) else 403, str(err))
            return
        await self.app(scope, receive, send)

    async def _identify(self, scope: Scope) -> Any:
        headers: dict[str, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value)

        def get(name: str) -> str:
            values = headers.get(name.lower(), [])
            if len(values) > 1:
                raise Untrusted(f"{name} is repeated")
            return values[0].decode("latin-1") if values else ""

        if self.reader is None:
            return identify(get, None, self.audience)
        # It may have to read keys, which must not block the event loop.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, identify, get, self.reader, self.audience)


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": text[:100]})
        return
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="bearerd"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": problem(text, status)})


__all__ = ["BearerdMiddleware", "Identity"]
