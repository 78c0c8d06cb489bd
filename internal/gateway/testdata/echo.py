"""An application that answers with what it got. Hypercorn, which serves it, speaks h2c."""

import json


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close"})
        return
    if scope["type"] != "http":
        return
    while True:
        event = await receive()
        if event["type"] == "http.disconnect" or not event.get("more_body"):
            break
    seen = {
        "protocol": scope["http_version"],
        "path": scope["path"],
        "header": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
    }
    headers = [(b"content-type", b"application/json"), (b"x-from", b"application")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
