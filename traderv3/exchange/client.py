"""One WebSocket client on its socket: commands in, the session's outbox out, a ping every ten seconds.

Source: Kalshi's WebSocket pages: text frames only, server pings with payload `heartbeat`, no compression.
Never: an unbounded wait for a client that stopped reading (its streams overflow and end, its commands wait), or an
exception of the connection let out.
"""

import math
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from traderv3.exchange.client_commands import Commands
from traderv3.exchange.floor import Floor
from traderv3.exchange.session import ClientSession
from traderv3.exchange.transport import PING, ClientStream

PING_S: Final = 10.0
HANDSHAKE_S: Final = 5.0
FAREWELL_S: Final = 0.2
COMMAND_BYTES_MAX: Final = 1 << 20  # some 30,000 tickers in one command


class Client:
    """A connection that was admitted, and the member whose key opened it."""

    def __init__(self, floor: Floor, stream: ClientStream, *, user_id: str = "", may_read: bool = True) -> None:
        self._floor = floor
        self._stream = stream
        self._user_id = user_id
        self._may_read = may_read
        self._opened_s = trio.current_time()
        self._output = trio.Event()
        self._drained = trio.Event()

    async def run(self) -> ClientSession:
        """Serve until the connection ends, by whichever side; returns the session that ended."""
        session = self._floor.open_session(self._wake, user_id=self._user_id, may_read=self._may_read)
        try:
            async with trio.open_nursery() as nursery:
                socket = await self._accept(nursery)
                if socket is not None:
                    await self._serve(nursery, socket, session)
                nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone; that is its right
        finally:
            self._floor.close_session(session)
            with trio.move_on_after(FAREWELL_S, shield=True):
                await self._farewell(session)
        return session

    def _wake(self) -> None:
        self._output.set()

    async def _accept(self, nursery: trio.Nursery) -> WebSocketConnection | None:
        """The open connection; None if what the client sent is no WebSocket handshake after all."""
        with trio.move_on_after(HANDSHAKE_S):
            request = await wrap_server_stream(nursery, self._stream, max_message_size=COMMAND_BYTES_MAX)
            return await request.accept()
        return None

    async def _serve(self, nursery: trio.Nursery, socket: WebSocketConnection, session: ClientSession) -> None:
        nursery.start_soon(self._send, socket, session)
        nursery.start_soon(self._ping)
        commands = Commands(session)
        while True:
            message = await socket.get_message()
            if not self._stream.is_silent:
                commands.receive(message)
            while session.is_full:
                await self._drained.wait()

    async def _send(self, socket: WebSocketConnection, session: ClientSession) -> None:
        while True:
            with trio.CancelScope(deadline=self._silent_at_s()):
                await self._output.wait()
            if trio.current_time() >= self._silent_at_s():
                await self._fall_silent(session)
            self._output = trio.Event()
            texts = session.take()
            self._drained.set()
            self._drained = trio.Event()
            if session.is_aborted or session.is_dismissed:
                raise trio.ClosedResourceError
            await self._stream.send_texts(texts, is_open=lambda: socket.closed is None)

    async def _ping(self) -> None:
        while True:
            await trio.sleep(PING_S)
            stop_s = self._floor.faults.pings_stop
            if not stop_s or trio.current_time() < self._opened_s + stop_s:
                await self._stream.send_all(PING)

    def _silent_at_s(self) -> float:
        after_s = self._floor.faults.silent_after
        return self._opened_s + after_s if after_s else math.inf

    async def _fall_silent(self, session: ClientSession) -> None:
        """The fault of a dead socket: TCP stays up, nothing comes any more, not even a pong."""
        self._stream.is_silent = True
        self._floor.close_session(session)
        await trio.sleep_forever()

    async def _farewell(self, session: ClientSession) -> None:
        try:
            if session.is_aborted:
                self._stream.reset_on_close()
            else:
                await self._stream.say_going_away()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await trio.aclose_forcefully(self._stream)
