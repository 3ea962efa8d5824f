"""A thread that ends the process when the Trio loop itself stalls: no actor can be supervised on a loop that stands still.

The loop beats every second; no beat for `stall_s` of *awake* time means a task blocks it. Time during which this
thread was not run either (a suspended laptop, SIGSTOP) is not counted.
Never: a verdict on an actor; that is the supervisor's heartbeat.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

import trio

from traderv3.core.lifeline import Lifeline

BEAT_S = 1.0


def end_process(reason: str, *, code: int = 1) -> None:
    """Say why, dump every thread's stack unless a person asked for the end, and end at once."""
    sys.stderr.write(f"traderv3 ends: {reason}\n")
    if code == 1:
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
    sys.stderr.flush()
    os._exit(code)


class LoopWatchdog:
    """An actor that beats and a daemon thread that listens. Also measures the loop's lag for the metrics."""

    name = "loop_watchdog"

    def __init__(self, *, stall_s: float = 10.0, on_stall: Callable[[str], None] = end_process) -> None:
        self._stall_s = stall_s
        self._on_stall = on_stall
        self._beats = 0
        self._over = threading.Event()
        self.lag_s = 0.0

    async def run(self, lifeline: Lifeline) -> None:
        """Beat until cancelled; the thread ends with us."""
        self._over = threading.Event()
        thread = threading.Thread(target=self._listen, args=(self._over,), name="loop-watchdog", daemon=True)
        thread.start()
        lifeline.started()
        try:
            while True:
                due = trio.current_time() + BEAT_S
                await trio.sleep_until(due)
                self.lag_s = max(0.0, trio.current_time() - due)
                self._beats += 1
        finally:
            self._over.set()

    def _listen(self, over: threading.Event) -> None:
        seen, awake_s = -1, 0.0
        before = time.monotonic()
        while not over.wait(BEAT_S):
            now = time.monotonic()
            slept_s, before = now - before, now
            if self._beats != seen:
                seen, awake_s = self._beats, 0.0
                continue
            awake_s += min(slept_s, 2 * BEAT_S)
            if awake_s >= self._stall_s:
                self._on_stall(f"the event loop has not run for {awake_s:.0f} s")
                return
