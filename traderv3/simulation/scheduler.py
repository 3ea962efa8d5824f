"""Runs one Trio program so that the same seed gives the same run, to the order in which its tasks take turns.

Trio shuffles the tasks that are ready, on purpose, so that nobody relies on an order. Its generator is private; trio
offers the switch `_ALLOW_DETERMINISTIC_SCHEDULING` to those who test with it (Hypothesis and pytest-trio do), which
sorts each batch before it is shuffled. There is no public way, and a test of ours fails if the names ever go.
Units: virtual seconds, from 0; the clock jumps to the next deadline as soon as everybody waits.
Never: two of these at a time in one process.
"""

import gc
import math
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar

import trio
from trio._core import _run
from trio.testing import MockClock

LOOK_STEPS: Final = 4096
STANDSTILL_LOOKS: Final = 100  # 400,000 turns at one moment; a burst of the exchange takes a few thousand

T = TypeVar("T")


class NobodyWakes(BaseException):
    """Every task waits, and none for a moment in time: nothing would ever happen again.

    No `Exception`, since whoever catches those would wait again.
    """


def _watched_clock() -> MockClock:
    """A clock that jumps; where there is nothing to jump to, whoever waits does so no longer, shielded or not."""
    clock = MockClock(autojump_threshold=0)
    jump = clock._autojump  # noqa: SLF001 - what trio calls when all tasks wait; its class is final, so replaced here

    def jump_or_end() -> None:
        if trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf:
            for task in _leaves(_run.GLOBAL_RUN_CONTEXT.runner.main_task):
                task._attempt_abort(_raise_nobody_wakes)  # noqa: SLF001 - how trio cancels a wait
        else:
            jump()

    clock._autojump = jump_or_end  # type: ignore[method-assign]  # noqa: SLF001
    return clock


def _leaves(task: trio.lowlevel.Task | None) -> list[trio.lowlevel.Task]:
    """The tasks below this one, itself included, that wait for none of their own."""
    if task is None:
        return []
    below = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return [leaf for child in below for leaf in _leaves(child)] if below else [task]


def _raise_nobody_wakes() -> NoReturn:
    raise NobodyWakes


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
    """What `main` returns. Raises `NobodyWakes`, in a group or not, where a run would never end.

    Garbage is collected before and after, since a collection in between may end generators."""
    was_allowed, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()  # noqa: SLF001 - see above
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001
    _run._r.seed(seed)  # noqa: SLF001
    if not gc.get_freeze_count():
        gc.freeze()  # what was loaded before stays, and need not be looked at for each run
    gc.collect()
    gc.disable()
    try:
        return trio.run(main, clock=_watched_clock())
    finally:
        gc.enable()
        _run._r.setstate(state)  # noqa: SLF001
        _run._ALLOW_DETERMINISTIC_SCHEDULING = was_allowed  # type: ignore[misc]  # noqa: SLF001
