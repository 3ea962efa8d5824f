"""How much of each limit is used, for people: the fullest member of every scope, the day, and what the gate looks at.

Units: as each `LimitLine` says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from traderv3.domain.risk_limits import SCOPES, RiskLimits
from traderv3.domain.trading_report import LimitLine
from traderv3.trading.day_book import ACCOUNT
from traderv3.trading.exposure import Exposures, claim_of
from traderv3.trading.risk import MEASURES, SECOND_US, RiskFacts, name_of


def usage(facts: RiskFacts, limits: RiskLimits) -> tuple[LimitLine, ...]:
    """Every limit that has a use, once; of a scope's members the one that used most, `-` where there is none."""
    return (*_of_scopes(facts, limits), *_of_the_day(facts, limits), *_of_the_gate(facts, limits))


def _of_scopes(facts: RiskFacts, limits: RiskLimits) -> Iterator[LimitLine]:
    for scope in SCOPES:
        used = _used(facts, scope)
        for measure, said in MEASURES.items():
            name = max(used, key=lambda member: used[member][measure], default="-")
            yield LimitLine(
                rule=f"RISK_MAX_{scope.upper()}_{measure.upper()}",
                scope=name,
                used=used[name][measure] if name in used else 0,
                limit=getattr(getattr(limits, scope), measure),
                unit=said.unit,
            )


def _used(facts: RiskFacts, scope: str) -> dict[str, Counter[str]]:
    """By member of a scope, then by measure. Of strategies the one alone whose positions are known."""
    is_own = scope == "strategy"
    orders = [order for order in facts.orders if not is_own or order.strategy == facts.strategy]
    sent = [sent for sent in facts.day.recent if not is_own or sent.strategy == facts.strategy]
    exposures = Exposures(facts.feed, facts.own_positions if is_own else facts.positions, map(claim_of, orders))
    used: dict[str, Counter[str]] = defaultdict(Counter)
    members: dict[str, list[str]] = defaultdict(list)
    for ticker in exposures.tickers:
        members[name_of(facts.feed, scope, ticker, facts.strategy)].append(ticker)
    for name, tickers in members.items():
        used[name].update(exposures.figures(tickers)._asdict())
    for order in orders:
        used[name_of(facts.feed, scope, order.ticker, facts.strategy)]["open_orders"] += 1
    for one in sent:
        used[name_of(facts.feed, scope, one.ticker, facts.strategy)]["orders_per_minute"] += 1
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
