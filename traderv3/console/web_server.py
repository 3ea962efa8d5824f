"""The actor that serves the app: Hypercorn's Trio worker in our own nursery, on a socket that we hold.

The socket is ours, so the port survives a restart of this actor. On the way down the conversations are told to end, and
what still holds a connection then is cut: Hypercorn shields its sends from cancellation, so a browser that stopped
reading would otherwise hold up the shutdown.
"""

import logging
import os
import socket
from functools import partial
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from traderv3.console.hub import Hub
from traderv3.core.lifeline import Lifeline
from traderv3.core.sockets import cut_connections

POLITE_S: Final = 0.5  # for the conversations to say goodbye
GRACEFUL_S: Final = 1.0  # Hypercorn's own wait for what still runs


class WebServer:
    """Serves one ASGI app on one listening socket."""

    name = "web_server"

    def __init__(self, app: Any, listener: socket.socket, hub: Hub) -> None:
        self._app = app
        self._listener = listener
        self._hub = hub
        self.is_serving = False

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        port: int = self._listener.getsockname()[1]
        return port

    async def run(self, lifeline: Lifeline) -> None:
        """Serve until asked to stop or cancelled."""
        self._hub.stopping = trio.Event()
        config = Config()
        config.bind = [f"fd://{os.dup(self._listener.fileno())}"]
        config.accesslog = None
        config.errorlog = logging.getLogger("hypercorn.error")
        config.graceful_timeout = GRACEFUL_S
        config.websocket_ping_interval = 20.0
        config.include_server_header = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._see_off, lifeline)
            await nursery.start(partial(serve, self._app, config, shutdown_trigger=lifeline.stopping.wait))
            self.is_serving = True
            lifeline.started()

    async def _see_off(self, lifeline: Lifeline) -> None:
        """On the way down, by request or by cancellation, end every connection."""
        try:
            await lifeline.stopping.wait()
            self._hub.stopping.set()
            await trio.sleep(POLITE_S)
        finally:
            self._hub.stopping.set()
            self.is_serving = False
            cut_connections(self.port)
