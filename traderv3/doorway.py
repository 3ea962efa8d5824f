"""The way to the venue: there from the start, or in `sim` from the moment when the embedded exchange says where it listens.

Units: microseconds.
Never: a second door; the exchange keeps address and key over its restarts, so its first word is enough.
"""

import random
from pathlib import Path

from traderv3.clients.door import Door, Wires
from traderv3.clients.doors import embedded_signer, open_door
from traderv3.clients.rest_gate import RestStats
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment
from traderv3.core.breaker import BreakerState
from traderv3.core.clock import WallClock
from traderv3.exchange.process import Announcement


class Doorway:
    """One trader's door. Whoever only reads is answered with None while there is none."""

    def __init__(self, door: Door | None, *, wires: Wires, wall_us: WallClock, rng: random.Random) -> None:
        self._door = door
        self._wires = wires
        self._wall_us = wall_us
        self._rng = rng

    def door(self) -> Door:
        """The way itself. In `sim` it is known once the exchange listens, which is before `venue` starts."""
        assert self._door is not None, "venue starts after the exchange has said where it listens"
        return self._door

    def on_exchange(self, found: Announcement) -> None:
        """The embedded exchange listens."""
        if self._door is None:
            self._door = open_door(
                parse_endpoint(found.api_url, Environment.SIM, "api"),
                parse_endpoint(found.ws_url, Environment.SIM, "ws"),
                embedded_signer(Path(found.private_key_path)),
                wall_us=self._wall_us,
                rng=self._rng,
                wires=self._wires,
            )

    def rest_stats(self) -> RestStats | None:
        """How the venue's REST answers."""
        return self._door.rest.stats() if self._door is not None else None

    def rest_trouble(self) -> str | None:
        """Why REST is not asked at the moment, in a sentence."""
        stats = self.rest_stats()
        return (stats.last_error or "no answer") if stats and stats.breaker is not BreakerState.CLOSED else None

    def clock_offset_us(self) -> int | None:
        """The venue's clock less ours, once it was measured."""
        clock = self._door.clock if self._door is not None else None
        return clock.offset_us if clock is not None and clock.is_measured else None

    async def aclose(self) -> None:
        """Close what REST holds open."""
        if self._door is not None:
            await self._door.rest.aclose()
