"""The actor that serves the app: Hypercorn's connections behind our own front door, on a socket that we hold.

The socket is ours, so the port survives a restart of this actor. On the way down the conversations are told to end, and
what still holds a connection then is cut: Hypercorn shields its sends from cancellation, so a browser that stopped
reading would otherwise hold up the shutdown.
"""

import logging
import socket
from typing import Any, Final

import trio
from hypercorn.config import Config

from traderv3.console.commands import GUESSES_OPEN_MAX, REQUEST_BYTES_MAX
from traderv3.console.courier import Courier
from traderv3.console.front_door import CONNECTIONS_MAX, serve
from traderv3.console.hub import Hub
from traderv3.core.lifeline import Lifeline
from traderv3.core.sockets import cut_connections

POLITE_S: Final = 0.5  # for the conversations to say goodbye
GRACEFUL_S: Final = 1.0  # Hypercorn's own wait for what still runs

assert GUESSES_OPEN_MAX >= CONNECTIONS_MAX, "no crowd that stays connected keeps a right token waiting"


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
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listener.dup()))
        config = Config()
        config.accesslog = None
        config.errorlog = logging.getLogger("hypercorn.error")
        config.graceful_timeout = GRACEFUL_S
        config.websocket_ping_interval = None  # each second a heartbeat goes out; a ping task outlives its browser
        config.websocket_max_message_size = 2 * REQUEST_BYTES_MAX  # what is a little too long gets a sentence
        config.include_server_header = False

        def started() -> None:
            self.is_serving = True
            lifeline.started()

        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(self._see_off, lifeline)
            nursery.start_soon(Courier(self._hub).run)
            await serve(self._app, config, listener, started=started, stopping=lifeline.stopping)
            nursery.cancel_scope.cancel()

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
