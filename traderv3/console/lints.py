"""Named rules that a healthy trader keeps, looked at once a second: what breaks them is shown as alerts of kind `lint`.

Each rule says who breaks it now. A rule that is broken is looked at by its milder bound, and its alert ends only `HOLD_S`
after nobody broke that one either; so what wavers around a bound reads as one trouble.
Units: names in `_s` are seconds, in `_ms` milliseconds, in `_us` microseconds.
Never: a verdict on health; that is `telemetry.health`, from facts alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from traderv3.console import messages
from traderv3.console.status import Sources
from traderv3.core.supervision import NodeReport
from traderv3.domain.timestamps import rfc3339

HOLD_S: Final = 5.0
RECENT_S: Final = 60.0
SHOWN_MAX: Final = 3

Offenders = Sequence[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """`find(facts, bound)` names what is beyond the bound: `raised` to begin, `cleared` to go on."""

    name: str
    component: str
    what: str  # completes "3 …: a, b, c"
    find: Callable[["Facts", float], Offenders]
    raised: float
    cleared: float


@dataclass(slots=True)
class _Tally:
    """A counter that only grows, and how much of it is recent."""

    total: int
    grew_at_s: float


class Facts:
    """What the rules look at, as it is now, with a memory of counters that only grow."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._tallies: dict[str, _Tally] = {}

    def has_grown(self, name: str, total: int, within_s: float) -> bool:
        """Whether this counter grew in the last seconds; its first value counts as old."""
        now_s = self.sources.steady_s()
        tally = self._tallies.setdefault(name, _Tally(total, float("-inf")))
        if total > tally.total:
            tally.total, tally.grew_at_s = total, now_s
        return now_s - tally.grew_at_s < within_s


def _nodes(node: NodeReport) -> Iterator[NodeReport]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _full_mailboxes(facts: Facts, share: float) -> Offenders:
    stats = {name: subscriber.mailbox for name, subscriber in facts.sources.subscribers().items()}
    stats.update((node.name, node.mailbox) for node in _nodes(facts.sources.tree()) if node.mailbox is not None)
    return [name for name, mailbox in stats.items() if mailbox.depth > share * mailbox.capacity]


def _used_budgets(facts: Facts, share: float) -> Offenders:
    budgets = ((node.name, node.budget) for node in _nodes(facts.sources.tree()) if node.budget is not None)
    return [name for name, budget in budgets if budget.used > share * budget.most]


def _stale_markets(facts: Facts, _: float) -> Offenders:
    return facts.sources.feed.stale


def _skewed_clock(facts: Facts, most_ms: float) -> Offenders:
    rest = facts.sources.rest()
    is_off = rest is not None and rest.is_clock_measured and abs(rest.clock_offset_ms) > most_ms
    return [f"{rest.clock_offset_ms} ms"] if rest is not None and is_off else []


def _recent_gaps(facts: Facts, within_s: float) -> Offenders:
    since_us = facts.sources.wall_us() - int(within_s * 1e6)
    return [f"{entry.connection}: {entry.what}" for entry in facts.sources.feed.gaps if entry.at_us > since_us]


def _slow_handlers(facts: Facts, within_s: float) -> Offenders:
    subscribers = facts.sources.subscribers()
    return [name for name, stats in subscribers.items() if facts.has_grown(name, stats.timed_out, within_s)]


def _used_buckets(facts: Facts, share: float) -> Offenders:
    rest = facts.sources.rest()
    if rest is None:
        return []
    buckets = (("read", rest.read_tokens, rest.read_capacity), ("write", rest.write_tokens, rest.write_capacity))
    return [name for name, left, capacity in buckets if left < (1 - share) * capacity]


RULES: Final = (
    Rule("mailbox", "event_bus", "mailboxes above 80 %", _full_mailboxes, 0.8, 0.6),
    Rule("restart_budget", "supervisor", "restart budgets more than half used", _used_budgets, 0.5, 0.3),
    Rule("stale_market", "orderbook_connector", "markets stale", _stale_markets, 0.0, 0.0),
    Rule("clock_skew", "rest", "clock off by more than 250 ms", _skewed_clock, 250.0, 200.0),
    Rule("gap", "orderbook_connector", "gaps in the last minute", _recent_gaps, RECENT_S, RECENT_S),
    Rule("slow_handler", "event_bus", "handlers over 5 s in the last minute", _slow_handlers, RECENT_S, RECENT_S),
    Rule("rate_bucket", "rest", "rate buckets above 80 % used", _used_buckets, 0.8, 0.6),
)


@dataclass(slots=True)
class _Broken:
    alert: messages.Alert
    seen_at_s: float


class Linter:
    """Remembers which rules are broken. One for as long as its facts last."""

    def __init__(self, sources: Sources, rules: Sequence[Rule] = RULES) -> None:
        self._facts = Facts(sources)
        self._rules = rules
        self._broken: dict[str, _Broken] = {}

    def look(self) -> list[messages.Alert]:
        """The alerts that begin, change or end now."""
        changed: list[messages.Alert] = []
        sources = self._facts.sources
        now_s = sources.steady_s()
        for rule in self._rules:
            held = self._broken.get(rule.name)
            offenders = rule.find(self._facts, rule.raised if held is None else rule.cleared)
            if offenders:
                since = rfc3339(sources.wall_us()) if held is None else held.alert.since
                alert = _alert(rule, offenders, since)
                if held is None or held.alert.count != alert.count:
                    changed.append(alert)
                    self._broken[rule.name] = _Broken(alert, now_s)
                else:
                    held.seen_at_s = now_s
            elif held is not None and now_s - held.seen_at_s >= HOLD_S:
                del self._broken[rule.name]
                changed.append(ended(held.alert))
        return changed


def _alert(rule: Rule, offenders: Offenders, since: str) -> messages.Alert:
    shown = ", ".join(offenders[-SHOWN_MAX:]) + (", …" if len(offenders) > SHOWN_MAX else "")
    return messages.Alert(
        id=f"lint/{rule.name}",
        kind="lint",
        count=len(offenders),
        level="warning",
        component=rule.component,
        message=f"{len(offenders)} {rule.what}: {shown}",
        since=since,
        is_active=True,
    )


def ended(alert: messages.Alert) -> messages.Alert:
    """The message that it is over."""
    return messages.Alert(
        id=alert.id,
        kind=alert.kind,
        count=alert.count,
        level=alert.level,
        component=alert.component,
        message=alert.message,
        since=alert.since,
        is_active=False,
    )
