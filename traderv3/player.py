"""The actor of a replay: a recording instead of the venue, and the state machine led by what the recording says of it."""

from collections.abc import Awaitable, Callable

from traderv3.clients.replay import Replay
from traderv3.config.limits import LIMITS
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.feed import Feed
from traderv3.domain.states import State
from traderv3.protocol.session import SessionLimits
from traderv3.trading.pilot import Pilot


class Player:
    """Hands a `Replay` of this trader to `play`, which returns when the recording is over."""

    name = "replay"

    def __init__(self, feed: Feed, bus: EventBus, pilot: Pilot, play: Callable[[Replay], Awaitable[None]]) -> None:
        self._feed = feed
        self._bus = bus
        self._pilot = pilot
        self._play = play

    async def run(self, lifeline: Lifeline) -> None:
        """Play, then stay until a stop is asked for."""
        lifeline.started()
        machine = self._pilot.machine
        await self._play(
            Replay(
                self._feed,
                self._bus,
                limits=SessionLimits(chunk=LIMITS.subscribe_chunk, answer_s=LIMITS.answer_s),
                look=self._look,
                follow=self._follow,
                state=lambda: machine.state,
                excuse=machine.excuse,
            )
        )
        await lifeline.stopping.wait()

    async def _look(self) -> None:
        if not self._pilot.may_rest:
            await self._pilot.look()

    async def _follow(self, target: State, context: str) -> None:
        machine = self._pilot.machine
        if machine.may(target):
            await machine.to(target, context)
