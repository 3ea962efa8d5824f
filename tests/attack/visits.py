"""An honest visitor of an attacked trader: what it answers, and whether anything of it was harmed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import trio_websocket

from tests.running import Console, eventually
from tests.serving import Served


async def get(served: Served, path: str, **headers: str) -> httpx2.Response:
    """One route's answer, on a connection of its own."""
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
        return await http.get(served.url + path, headers=headers)


@asynccontextmanager
async def console(served: Served, query: str = "", **headers: str) -> AsyncIterator[Console]:
    """A console's socket."""
    url = served.url.replace("http:", "ws:") + "/v3/ws" + query
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with trio_websocket.open_websocket_url(url, max_message_size=1 << 26, extra_headers=extra) as socket:
        yield Console(socket)


async def ready(served: Served) -> dict[str, Any]:
    """The status, once the trader is ready."""

    async def look() -> dict[str, Any] | None:
        status: dict[str, Any] = (await get(served, "/v3/status")).json()
        return status if status["state"] == "ready" else None

    found = await eventually(look, "ready")
    assert found is not None
    return found


async def unharmed(served: Served, before: dict[str, Any]) -> None:
    """Ready, no actor restarted, no connection lost, every book live and the feed moving."""

    async def look() -> dict[str, Any] | None:
        status = await ready(served)
        is_moving = status["metrics"]["deltas_received"] > before["metrics"]["deltas_received"]
        return status if is_moving else None

    after = await eventually(look, "the feed moves")

    assert after is not None
    for name, node in after["components"].items():
        assert node["restarts"] == before["components"][name]["restarts"], f"{name}: {node['last_error']}"
    assert after["metrics"]["markets_connected"] == len(after["markets"])
    assert after["metrics"]["reconnects"] == before["metrics"]["reconnects"]
    assert {reason["component"] for reason in after["reasons"]} <= {"loop_watchdog"}, after["reasons"]  # a busy machine
