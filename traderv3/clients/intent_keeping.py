"""How the gateway keeps what it is about to send: on the disk before the wire, and what is wrong with the disk.

New orders wait until they are on the disk. Cancels wait for it only for a moment, and their batches that a hanging disk
holds up are bounded.
Units: seconds. Never: a failure that is not remembered in the gateway's account.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import trio

from traderv3.clients.gateway_account import GatewayAccount
from traderv3.clients.order_groups import GroupLog
from traderv3.domain.execution import IntentLog, Request

BATCHES_MAX: Final = 64  # of cancels
CANCEL_S: Final = 0.05  # a cancel waits so long for the disk
PROBE_S: Final = 1.0  # a disk in trouble is tried so often


class GatewayLog(IntentLog, GroupLog, Protocol):
    """What the gateway keeps things in; `storage.intent_log.IntentFile` is one."""

    async def start(self) -> None: ...


class IntentKeeping:
    """One gateway's way to its log. `has_looked`: into it, whether it could be read or not."""

    def __init__(self, intents: GatewayLog, account: GatewayAccount, wall_us: Callable[[], int]) -> None:
        self.has_looked = False
        self._intents = intents
        self._account = account
        self._wall_us = wall_us
        self._batches = 0  # of cancels that wait for the disk

    async def look(self) -> None:
        """Read what earlier sessions left. Raises `OSError`."""
        try:
            await self._intents.start()
        finally:
            self.has_looked = True

    async def keep(self, requests: Sequence[Request]) -> None:
        """On the disk when this returns. Raises `OSError`; either is remembered."""
        try:
            await self._intents.keep(requests, self._wall_us())
        except OSError as exc:
            self._account.disk_trouble = str(exc)
            raise
        self._account.disk_trouble = None

    async def keep_cancels(self, batch: Sequence[Request], kept: trio.Event) -> None:
        """Sets `kept` when they are on the disk, or will not be."""
        if self._batches >= BATCHES_MAX:  # a disk that hangs; what waits for it must not pile up
            kept.set()
            return
        self._batches += 1
        try:
            with suppress(OSError):
                await self.keep(batch)
        finally:
            self._batches -= 1
            kept.set()

    async def probe(self) -> None:
        """A disk in trouble is tried again also while nobody has anything to write."""
        while True:
            await trio.sleep(PROBE_S)
            if self._account.disk_trouble is not None:
                with suppress(OSError):
                    await self.keep([])
