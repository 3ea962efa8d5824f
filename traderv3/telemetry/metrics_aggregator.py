"""The actor that turns counters into numbers a person reads: rates, uptime, lag, memory, and the health they amount to.

It samples once a second. Once a minute the memory that only a peak needed is given back, so that what it shows is in use.
Units: see `domain.health.Numbers`; times in microseconds since the epoch.
Never: a number that nothing measured: a rate or a lag is 0 only until the first second is over.
"""

import ctypes
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import NodeReport
from traderv3.domain.feed import Feed
from traderv3.domain.health import Health, Numbers
from traderv3.domain.states import State
from traderv3.telemetry.health import HealthJudge, find_causes

SAMPLE_S: Final = 1.0
RATE_SAMPLES: Final = 5  # the shown rate is the mean of so many seconds: calm, and right within as many
GIVE_BACK_S: Final = 60.0


def read_rss_mb() -> float:
    """This process's resident memory in MiB, 0.0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def give_back_memory() -> None:
    """Let the C library return what it holds free to the system, where it can. Takes some 0.5 ms at 100 MB.

    By itself glibc returns only what lies at the end of its heaps: after each peak a little more stays, for weeks.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)


_malloc_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)  # a function of glibc


class MetricsAggregator:
    """Owns `numbers` and judges health; others read both."""

    name = "metrics_aggregator"

    def __init__(
        self,
        feed: Feed,
        *,
        wall_us: Callable[[], int],
        lag_s: Callable[[], float],
        state: Callable[[], tuple[State, str, float]],
        tree: Callable[[], Sequence[NodeReport]],
        log_lost: Callable[[], int],
        rest_trouble: Callable[[], str | None] = lambda: None,
        storage_troubles: Callable[[], Sequence[str]] = list,
        trading_troubles: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._feed = feed
        self._wall_us = wall_us
        self._lag_s = lag_s
        self._state = state
        self._tree = tree
        self._log_lost = log_lost
        self._rest_trouble = rest_trouble
        self._storage_troubles = storage_troubles
        self._trading_troubles = trading_troubles
        self._log_lost_before = 0
        self._log_lost_lately = 0
        self._judge = HealthJudge()
        self.numbers = Numbers()

    async def run(self, lifeline: Lifeline) -> None:
        """Sample until cancelled."""
        lifeline.started()
        seen = deque([(trio.current_time(), self._feed.counters.messages)], maxlen=RATE_SAMPLES + 1)
        self.numbers.rss_mb = round(read_rss_mb(), 1)
        gave_back_at = trio.current_time()
        while True:
            await trio.sleep(SAMPLE_S)
            lifeline.beat()
            seen.append((trio.current_time(), self._feed.counters.messages))
            (first_at, first), (last_at, last) = seen[0], seen[-1]
            self.numbers.messages_per_second = round((last - first) / (last_at - first_at), 1)
            self.numbers.loop_lag_ms = round(self._lag_s() * 1000, 2)
            if last_at - gave_back_at >= GIVE_BACK_S:
                gave_back_at = last_at
                give_back_memory()
            self.numbers.rss_mb = round(read_rss_mb(), 1)
            lost = self._log_lost()
            self._log_lost_lately, self._log_lost_before = lost - self._log_lost_before, lost
            self.assess()  # so that the judge's memory of causes does not depend on who asks

    def assess(self) -> Health:
        """Judge health from the facts as they are now: whoever asks gets the truth of this moment."""
        state, context, held_s = self._state()
        now_us = self._wall_us()
        causes = find_causes(
            state,
            context,
            self._feed,
            self._tree(),
            held_s=held_s,
            lag_ms=self.numbers.loop_lag_ms,
            log_lost=self._log_lost_lately,
            rest_trouble=self._rest_trouble(),
            storage_troubles=self._storage_troubles(),
            trading_troubles=self._trading_troubles(),
            now_us=now_us,
        )
        return self._judge.judge(causes, now_us=now_us)
