"""The watchdog thread's verdict, on a clock of the test's own; and the actor that beats for it."""

import os
import threading
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from traderv3.core.lifeline import Lifeline
from traderv3.core.watchdog import BEAT_S, LoopWatchdog, end_process


class Waits(threading.Event):
    """Stands for the event that the thread waits on: each wait passes the time that the script says, at once."""

    def __init__(self, clock: "Clock", waits_s: list[float], before: Callable[[int], None]) -> None:
        super().__init__()
        self._clock, self._waits_s, self._before = clock, waits_s, before
        self.waited = 0

    def wait(self, timeout: float | None = None) -> bool:
        """True, which ends the thread's loop, when the script is over."""
        if self.waited == len(self._waits_s):
            return True
        self._before(self.waited)
        self._clock.now_s += self._waits_s[self.waited]
        self.waited += 1
        return False


class Clock:
    """The thread's monotonic clock."""

    now_s = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock in place of the machine's."""
    clock = Clock()
    monkeypatch.setattr("traderv3.core.watchdog.time.monotonic", lambda: clock.now_s)
    return clock


def listen(clock: Clock, waits_s: list[float], beats: Callable[[int], bool]) -> tuple[list[str], int]:
    """Run the thread's loop over a script; what it said, and after how many waits it was done."""
    said: list[str] = []
    dog = LoopWatchdog(stall_s=10, on_stall=said.append)

    def before(number: int) -> None:
        dog._beats += beats(number)

    over = Waits(clock, waits_s, before)
    dog._listen(over)
    return said, over.waited


def test_a_loop_that_beats_is_left_alone(clock: Clock) -> None:
    said, _ = listen(clock, [BEAT_S] * 1000, lambda _: True)

    assert said == []


def test_a_loop_that_stops_beating_is_reported_once_after_its_time(clock: Clock) -> None:
    said, waited = listen(clock, [BEAT_S] * 1000, lambda number: number < 50)

    assert said == ["the event loop has not run for 10 s"]
    assert waited == 50 + 10


def test_a_loop_that_never_beats_is_reported(clock: Clock) -> None:
    said, _ = listen(clock, [BEAT_S] * 1000, lambda _: False)

    assert len(said) == 1


@pytest.mark.parametrize("pause_s", [2, 5, 9])
def test_a_pause_shorter_than_the_time_is_forgiven_and_forgotten(clock: Clock, pause_s: int) -> None:
    said, _ = listen(clock, [BEAT_S] * 1000, lambda number: number % (pause_s + 1) == 0)

    assert said == []


def test_a_suspended_machine_is_no_stall(clock: Clock) -> None:
    said, _ = listen(clock, [BEAT_S, 8 * 3600.0, BEAT_S] * 20, lambda number: number % 3 != 1)

    assert said == []


def test_a_loop_that_stalls_on_a_busy_machine_is_still_found(clock: Clock) -> None:
    said, waited = listen(clock, [1.7] * 1000, lambda _: False)  # our own thread is late, too

    assert len(said) == 1
    assert waited * 1.7 < 15


async def test_the_actor_beats_every_second_and_its_thread_ends_with_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Event] = []
    ended = threading.Event()

    def _listen(self: LoopWatchdog, over: threading.Event) -> None:
        started.append(over)
        over.wait()
        ended.set()

    monkeypatch.setattr(LoopWatchdog, "_listen", _listen)
    dog = LoopWatchdog()
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dog.run, lifeline)
        await trio.sleep(60.5)
        is_started, beats = lifeline.is_started, dog._beats
        nursery.cancel_scope.cancel()

    assert is_started
    assert beats == 60
    assert dog.lag_s == 0
    assert ended.wait(5)


async def test_the_lag_is_how_late_the_loop_woke_us(mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoopWatchdog, "_listen", lambda self, over: None)
    dog = LoopWatchdog()
    lags: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dog.run, Lifeline())
        await wait_all_tasks_blocked()
        for step_s in (1.25, 1.0):
            mock_clock.jump(step_s)
            await wait_all_tasks_blocked()
            lags.append(dog.lag_s)
        nursery.cancel_scope.cancel()

    assert lags == [0.25, 0.0]


@pytest.mark.parametrize(("code", "has_stacks"), [(1, True), (130, False)])
def test_ending_says_why_dumps_the_stacks_of_a_bug_and_ends_at_once(
    code: int, has_stacks: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with os.fdopen(os.dup(2), "w") as stderr:  # a real file: the stacks are dumped to its descriptor
        monkeypatch.setattr("sys.stderr", stderr)
        end_process("the loop stands still", code=code)
    said = capfd.readouterr().err

    assert codes == [code]
    assert said.startswith("traderv3 ends: the loop stands still\n")
    assert ("most recent call first" in said) is has_stacks
