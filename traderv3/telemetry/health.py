"""Health, judged purely from facts: what is wrong, since when, and what it means for trading.

A cause that ends leaves its reason for `HOLD_US` (hysteresis), so that something that flickers reads as one trouble;
`healthy` returns within 15 s of the last cause's end.
Units: microseconds since the epoch, except names in `_s` and `_ms`.
Never: quiet taken for trouble. A market may say nothing for an hour; an unknown ticker is a warning, not a reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from traderv3.core.supervision import NodeReport, Status
from traderv3.domain.feed import Feed, Link
from traderv3.domain.health import OVER_NOW, Health, Level, Reason
from traderv3.domain.states import State

HOLD_US: Final = 5_000_000
LAG_MS_MAX: Final = 250.0
PATIENCE_S: Final = 5.0  # connecting, or starting, is no illness until it takes longer than this
NO_TROUBLES: Final[Mapping[str, str]] = MappingProxyType({})
_SEVERITY: Final = tuple(Level)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something wrong right now. `kind` tells the troubles of one component apart, as its message may change."""

    component: str
    message: str
    level: Level
    kind: str = ""


def find_causes(
    state: State,
    context: str,
    feed: Feed,
    tree: Iterable[NodeReport],
    *,
    held_s: float,
    lag_ms: float,
    log_lost: int,
    rest_trouble: str | None,
    storage_troubles: Iterable[str] = (),
    trading_troubles: Mapping[str, str] = NO_TROUBLES,
    now_us: int,
) -> list[Cause]:
    """Everything that is wrong at this moment, in no order. `held_s`: how long the state has lasted.

    `rest_trouble`: why the venue's REST is not asked any more, None while it is; `trading_troubles`: what a person must know
    of trading, by kind.
    """
    causes: list[Cause] = []
    closed = feed.hours.sentence(now_us)
    if state is State.ERROR:
        causes.append(Cause("state_machine", f"in error: {context}; nothing can be traded", Level.UNHEALTHY))
    elif state is State.CONNECTIVITY and held_s > PATIENCE_S:
        is_up = feed.link is Link.CONNECTED
        why = f"{len(feed.syncing) + len(feed.stale)} snapshots missing" if is_up else closed or feed.link_reason
        causes.append(Cause("state_machine", f"no live feed: {why}; nothing can be traded", Level.DEGRADED))
    if feed.was_accepted and feed.link is not Link.CONNECTED:
        message = f"the venue is not connected ({feed.link_reason}); every book is stale"
        causes.append(Cause("orderbook_connector", message, Level.DEGRADED))
    elif stale := list(dict.fromkeys(feed.stale + feed.unserved)):
        shown = ", ".join(stale[:3]) + (", …" if len(stale) > 3 else "")
        message = f"{len(stale)} of {len(feed.books)} books stale ({shown}); they refuse orders"
        causes.append(Cause("orderbook_connector", message, Level.DEGRADED))
    if closed is not None:
        causes.append(Cause("exchange_hours", closed, Level.DEGRADED))
    if rest_trouble is not None:
        message = f"REST is away ({rest_trouble}); the stream goes on, books are not cross-checked"
        causes.append(Cause("rest", message, Level.DEGRADED))
    causes += [Cause("trading", trouble, Level.DEGRADED, kind=kind) for kind, trouble in trading_troubles.items()]
    causes += [Cause("storage", trouble, Level.DEGRADED, kind=trouble[:12]) for trouble in storage_troubles]
    causes += _actors_down(tree, now_us)
    if lag_ms > LAG_MS_MAX:
        causes.append(Cause("loop_watchdog", "the event loop runs late; decisions are delayed", Level.DEGRADED))
    if log_lost:
        causes.append(Cause("log", "log lines were lost; the record has holes", Level.DEGRADED))
    return causes


def _actors_down(nodes: Iterable[NodeReport], now_us: int) -> list[Cause]:
    causes: list[Cause] = []
    for node in nodes:
        is_late = now_us - node.since_us > PATIENCE_S * 1e6
        is_coming = node.status is Status.STARTING and (node.last_error is not None or is_late)
        if node.strategy is None and (is_coming or node.status in (Status.BACKOFF, Status.FAILED)):
            message = f"{node.status}: {node.last_error or ('not ready yet' if is_coming else 'ended')}"
            causes.append(Cause(node.name, message, Level.DEGRADED, kind="actor"))
        causes += _actors_down(node.children, now_us)
    return causes


class HealthJudge:
    """Remembers since when each cause has been there, and holds it a little after its end."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, Level], tuple[Reason, int]] = {}  # the reason, and when it was last seen

    def judge(self, causes: Iterable[Cause], *, now_us: int) -> Health:
        """The health now. Call at least every few seconds. A wall clock set back makes every reason new."""
        present = set()
        for cause in causes:
            key = (cause.component, cause.kind, cause.level)
            held = self._held.get(key)
            since_us = min(held[0].since_us, now_us) if held else now_us
            self._held[key] = (Reason(cause.component, cause.message, since_us, cause.level), now_us)
            present.add(key)
        self._held = {key: held for key, held in self._held.items() if 0 <= now_us - held[1] <= HOLD_US}
        reasons = tuple(
            reason if key in present else replace(reason, message=OVER_NOW + reason.message)
            for key, (reason, _) in self._held.items()
        )
        level = max((reason.level for reason in reasons), key=_SEVERITY.index, default=Level.HEALTHY)
        return Health(level, reasons)
