"""What a supervisor hands to an actor each time it starts it: say you are ready, show you are alive, hear you must stop."""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio

WAIT_BEAT_S: Final = 10.0  # well below any heartbeat period


class Lifeline:
    """One start of one actor. `stopping` is set when a stop is asked for politely; cancellation follows after the grace.

    Readiness (`started`) and life (`beat`) are apart: an actor may be ready and then hang.
    """

    __slots__ = ("_clock", "beats", "last_beat", "settled", "started_at", "stopping")

    def __init__(self, clock: Callable[[], float] = trio.current_time, *, stopping: trio.Event | None = None) -> None:
        self._clock = clock
        self.stopping = trio.Event() if stopping is None else stopping
        self.settled = trio.Event()  # started, or ended without having started
        self.started_at = math.inf
        self.beats = 0
        self.last_beat = clock()

    @property
    def is_started(self) -> bool:
        """Whether the actor has said that it is ready."""
        return self.started_at != math.inf

    def started(self) -> None:
        """Ready: the next actor in order may start. Further calls do nothing."""
        if not self.is_started:
            self.started_at = self.last_beat = self._clock()
            self.settled.set()

    def beat(self) -> None:
        """Alive, and one step further. An actor declared with a heartbeat must beat more often than its period."""
        self.beats += 1
        self.last_beat = self._clock()

    async def wait(self, wait: Callable[[], Awaitable[object]], *, until: float = math.inf) -> None:
        """Wait, as long as it takes or until that moment of Trio's clock, and show life meanwhile: a wait is one."""
        is_over = False
        while not is_over and trio.current_time() < until:
            self.beat()
            with trio.move_on_at(min(until, trio.current_time() + WAIT_BEAT_S)):
                await wait()
                is_over = True
