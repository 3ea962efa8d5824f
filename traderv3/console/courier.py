"""Brings what waits for the consoles to their sockets: one task for all of them, and one encoding for all that are level.

It wakes at once for urgent messages, else every `TICK_S`. A console whose socket takes no more is left alone until it does,
its outbox conflating meanwhile; so is one without a wire, which has a writer of its own.
Units: names in `_s` are seconds of Trio's clock.
Never: a wait for a browser.
"""

from typing import Final

import trio

from traderv3.console.client import Client, Frame
from traderv3.console.hub import Hub
from traderv3.console.wire import frame, frame_all

TICK_S: Final = 0.025


class Courier:
    """Serves the clients of one hub that have a wire."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def run(self) -> None:
        """Deliver until cancelled."""
        hub = self._hub
        while True:
            with trio.move_on_after(TICK_S):
                await hub.urgent.wait()
            hub.urgent = trio.Event()
            self.deliver(trio.current_time())

    def deliver(self, now: float) -> None:
        """Send everything that is due."""
        made: dict[tuple[object, ...], bytes] = {}  # what clients get that are level with each other
        for client in self._hub.clients:
            wire = client.wire
            if wire is None:
                continue
            if wire.is_blocked:
                client.sending_since = client.sending_since or now
                continue
            client.sending_since = None
            if not client.outbox or not (client.urgent.is_set() or now >= client.due_at):
                continue
            client.due_at = now + client.gather_s
            frames = self._hub.collect(client)
            key = (client.batch_ms > 0, *map(id, frames))
            data = made.get(key)
            if data is None:
                data = made[key] = self._framed(client, frames)
            wire.write(data)
            self._note(client, now)

    def _framed(self, client: Client, frames: list[Frame]) -> bytes:
        if client.batch_ms and len(frames) > 1:
            return frame(self._hub.batch(frames))
        return frame_all(frames)

    def _note(self, client: Client, now: float) -> None:
        if client.urgent_since is not None:
            took_s = trio.current_time() - client.urgent_since
            self._hub.event_to_socket.note(int(took_s * 1e6), now_s=now)
            client.urgent_since = None
