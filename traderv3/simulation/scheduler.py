"""Runs one Trio program so that the same seed gives the same run, to the order in which its tasks take turns.

Trio shuffles the tasks that are ready, on purpose, so that nobody relies on an order. Its generator is private; trio
offers the switch `_ALLOW_DETERMINISTIC_SCHEDULING` to those who test with it (Hypothesis and pytest-trio do), which
sorts each batch before it is shuffled. There is no public way, and a test of ours fails if the names ever go.
Units: virtual seconds, from 0; the clock jumps to the next deadline as soon as everybody waits.
Never: two of these at a time in one process.
"""

import gc
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio
from trio._core import _run
from trio.testing import MockClock

LOOK_STEPS: Final = 4096
STANDSTILL_LOOKS: Final = 100  # 400,000 turns at one moment; a burst of the exchange takes a few thousand

T = TypeVar("T")


class Standstill(trio.abc.Instrument):
    """Tells, with the name of the task whose turn it is, when tasks take turn after turn and time does not go on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._steps = self._looks = 0
        self._at_s = -1.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._steps += 1
        if self._steps % LOOK_STEPS:
            return
        now_s = trio.current_time()
        self._looks = self._looks + 1 if now_s == self._at_s else 0
        self._at_s = now_s
        if self._looks == STANDSTILL_LOOKS:
            self._tell(task.name)


def run_seeded(main: Callable[[], Awaitable[T]], seed: int) -> T:
    """What `main` returns. Garbage is collected before and after, since a collection in between may end generators."""
    was_allowed, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()  # noqa: SLF001 - see above
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001
    _run._r.seed(seed)  # noqa: SLF001
    if not gc.get_freeze_count():
        gc.freeze()  # what was loaded before stays, and need not be looked at for each run
    gc.collect()
    gc.disable()
    try:
        return trio.run(main, clock=MockClock(autojump_threshold=0))
    finally:
        gc.enable()
        _run._r.setstate(state)  # noqa: SLF001
        _run._ALLOW_DETERMINISTIC_SCHEDULING = was_allowed  # type: ignore[misc]  # noqa: SLF001
