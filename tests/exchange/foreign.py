"""A foreign library's WebSocket client on one end of a pair of streams, our server on the other."""

import json
from typing import Any

import trio
from trio.testing import memory_stream_pair
from trio_websocket import WebSocketConnection
from trio_websocket import wrap_client_stream as open_client

from traderv3.exchange.exchange import WS_PATH
from traderv3.exchange.server import Server


async def upgraded(
    nursery: trio.Nursery, server: Server, headers: dict[str, str], path: str = WS_PATH
) -> WebSocketConnection:
    """The connection, once the server accepted it; raises what the library raises of a refusal."""
    ours, theirs = memory_stream_pair()
    nursery.start_soon(server.serve_stream, ours)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    stream: Any = theirs  # the library takes any stream; its annotations say otherwise
    return await open_client(nursery, stream, "venue", path, extra_headers=pairs)


async def hear(ws: WebSocketConnection) -> dict[str, Any]:
    text = await ws.get_message()
    assert isinstance(text, str)
    assert text.endswith("}\n")
    frame: dict[str, Any] = json.loads(text)
    return frame
