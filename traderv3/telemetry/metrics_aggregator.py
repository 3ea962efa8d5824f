"""The actor that turns counters into numbers a person reads: rates, uptime, lag, memory, and the health they amount to.

It samples once a second and keeps the facts the bus tells (gaps, bad frames, dropped markets) as lines of the log.
Units: see `domain.health.Numbers`; times in microseconds since the epoch.
Never: a number that nothing measured. What is not known is None.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from traderv3.core.event_bus import EventBus, handles
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import ActorChanged, NodeReport, Status
from traderv3.domain import events
from traderv3.domain.feed import Feed
from traderv3.domain.health import Health, Numbers
from traderv3.domain.states import State
from traderv3.telemetry.health import HealthJudge, find_causes

SAMPLE_S: Final = 1.0
_RATE_WEIGHT: Final = 0.5  # of the newest second in the shown rate: calm, and right within a few seconds

log = structlog.get_logger(component="metrics_aggregator")


def read_rss_mb() -> float:
    """This process's resident memory in MiB, 0.0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class MetricsAggregator:
    """Owns `numbers` and judges health; others read both."""

    name = "metrics_aggregator"

    def __init__(
        self,
        feed: Feed,
        bus: EventBus,
        *,
        wall_us: Callable[[], int],
        lag_s: Callable[[], float],
        state: Callable[[], tuple[State, str, float]],
        tree: Callable[[], Sequence[NodeReport]],
        log_lost: Callable[[], int],
    ) -> None:
        self._feed = feed
        self._wall_us = wall_us
        self._lag_s = lag_s
        self._state = state
        self._tree = tree
        self._log_lost = log_lost
        self._log_lost_before = 0
        self._log_lost_lately = 0
        self._judge = HealthJudge()
        self.numbers = Numbers()
        bus.subscribe("log_of_facts", LOGGED, handles(log_fact))

    async def run(self, lifeline: Lifeline) -> None:
        """Sample until cancelled."""
        lifeline.started()
        messages, sampled_at = self._feed.counters.messages, trio.current_time()
        shown = 0.0
        while True:
            await trio.sleep(SAMPLE_S)
            lifeline.beat()
            now = trio.current_time()
            seen = self._feed.counters.messages
            rate = (seen - messages) / (now - sampled_at)
            shown += _RATE_WEIGHT * (rate - shown)
            self.numbers.messages_per_second = round(shown, 1)
            self.numbers.loop_lag_ms = round(self._lag_s() * 1000, 2)
            self.numbers.rss_mb = round(read_rss_mb(), 1)
            lost = self._log_lost()
            self._log_lost_lately, self._log_lost_before = lost - self._log_lost_before, lost
            messages, sampled_at = seen, now
            self.assess()  # so that the judge's memory of causes does not depend on who asks

    def assess(self) -> Health:
        """Judge health from the facts as they are now: whoever asks gets the truth of this moment."""
        state, context, held_s = self._state()
        causes = find_causes(
            state,
            context,
            self._feed,
            self._tree(),
            held_s=held_s,
            lag_ms=self.numbers.loop_lag_ms,
            log_lost=self._log_lost_lately,
        )
        return self._judge.judge(causes, now_us=self._wall_us())


LOGGED: Final = (
    events.ConnectionUp,
    events.ConnectionLost,
    events.GapDetected,
    events.BooksRepaired,
    events.FrameProblem,
    events.MarketsDropped,
    events.StateChanged,
    ActorChanged,
)


def log_fact(fact: Any) -> None:
    """Say one fact of the bus in the log, at the level a person expects."""
    match fact:
        case events.StateChanged(source, target, context):
            log.info("state_transition", component="state_machine", from_state=source, to_state=target, context=context)
        case events.ConnectionUp(connection):
            log.info("connected to the venue", component=connection)
        case events.ConnectionLost(connection, reason, retry_s):
            log.warning("connection lost", component=connection, reason=reason, retry_s=retry_s)
        case events.GapDetected(connection, sid, expected, got, books):
            log.warning("sequence gap", component=connection, sid=sid, expected=expected, got=got, books=books)
        case events.BooksRepaired(connection, took_ms):
            log.info("books repaired", component=connection, took_ms=took_ms)
        case events.FrameProblem(connection, kind, detail):
            log.warning(kind, component=connection, detail=detail)
        case events.MarketsDropped(tickers, reason):
            log.warning("markets dropped", component="discovery", tickers=",".join(tickers), reason=reason)
        case ActorChanged(name, status, restarts, error):
            say = log.warning if status in (Status.BACKOFF, Status.FAILED) else log.info
            say = log.debug if status is Status.STARTING else say
            say(
                f"actor {status}",
                component="supervisor",
                actor=name,
                restarts=restarts,
                **({"error": error} if error else {}),
            )
