"""How much of each limit is used, for people: the fullest member of every scope, the day, and what the gate looks at.

Units: as each `LimitLine` says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from traderv3.domain.risk_limits import SCOPES, RiskLimits
from traderv3.domain.trading_report import LimitLine
from traderv3.trading.day_book import ACCOUNT
from traderv3.trading.exposure import Claim, Exposures
from traderv3.trading.risk import MEASURES, SECOND_US, RiskFacts, member_of


def usage(facts: RiskFacts, limits: RiskLimits) -> tuple[LimitLine, ...]:
    """Every limit that has a use, once; of a scope's members the one that used most, `-` where there is none."""
    return (*_of_scopes(facts, limits), *_of_the_day(facts, limits), *_of_the_gate(facts, limits))


def _of_scopes(facts: RiskFacts, limits: RiskLimits) -> Iterator[LimitLine]:
    claims = facts.claims()
    own = [claim for claim in claims if claim.strategy == facts.strategy]
    everything = Exposures(facts.feed, facts.positions, claims)
    of_strategy = Exposures(facts.feed, facts.own_positions, own)
    for scope in SCOPES:
        is_own = scope == "strategy"
        used = _used(facts, scope, of_strategy if is_own else everything, own if is_own else claims)
        for measure, said in MEASURES.items():
            name = max(used, key=lambda member: used[member][measure], default="-")
            yield LimitLine(
                rule=f"RISK_MAX_{scope.upper()}_{measure.upper()}",
                scope=facts.strategy if is_own else name,
                used=used[name][measure] if name in used else 0,
                limit=getattr(getattr(limits, scope), measure),
                unit=said.unit,
            )


def _used(facts: RiskFacts, scope: str, exposures: Exposures, claims: Sequence[Claim]) -> dict[str, Counter[str]]:
    """By member of a scope, then by measure. Of strategies the one alone whose positions are known."""
    sent = [sent for sent in facts.day.recent if scope != "strategy" or sent.strategy == facts.strategy]
    used: dict[str, Counter[str]] = defaultdict(Counter)
    members: dict[str, list[str]] = defaultdict(list)
    for ticker in exposures.tickers:
        members[member_of(facts.feed, scope, ticker)].append(ticker)
    for name, tickers in members.items():
        used[name].update(exposures.figures(tickers)._asdict())
    for claim in claims:
        used[member_of(facts.feed, scope, claim.ticker)]["open_orders"] += 1
    for one in sent:
        used[member_of(facts.feed, scope, one.ticker)]["orders_per_minute"] += 1
    return used


def _of_the_day(facts: RiskFacts, limits: RiskLimits) -> Iterator[LimitLine]:
    day, most = facts.day, limits.day
    yield LimitLine(rule="RISK_MAX_DAY_ORDERS", scope="day", used=day.orders, limit=most.orders, unit="orders")
    yield LimitLine(rule="RISK_MAX_DAY_TURNOVER", scope="day", used=day.turnover, limit=most.turnover, unit="usd/1e6")
    for scope, loss, drawdown, whose in (
        (ACCOUNT, most.loss, most.drawdown, ""),
        (facts.strategy, most.strategy_loss, most.strategy_drawdown, "STRATEGY_"),
    ):
        lost, fallen = day.losses.get(scope, 0), day.drawdowns.get(scope, 0)
        yield LimitLine(rule=f"RISK_MAX_{whose}DAY_LOSS", scope=scope, used=lost, limit=loss, unit="usd/1e6")
        yield LimitLine(rule=f"RISK_MAX_{whose}DRAWDOWN", scope=scope, used=fallen, limit=drawdown, unit="usd/1e6")


def _of_the_gate(facts: RiskFacts, limits: RiskLimits) -> Iterator[LimitLine]:
    since_us, most = facts.at_us - SECOND_US, limits.gate
    burst = sum(sent.at_us > since_us for sent in facts.day.recent)
    offset_ms = abs(facts.clock_offset_us or 0) // 1_000
    yield LimitLine(rule="RISK_MAX_ORDERS_PER_S", scope=ACCOUNT, used=burst, limit=most.orders_per_s, unit="1/s")
    yield LimitLine(rule="RISK_CLOCK_OFFSET", scope="clock", used=offset_ms, limit=most.clock_offset_ms, unit="ms")
