"""What trading shows to people: the engine's state as one frozen `TradingReport`, made when somebody asks for it.

Also `trouble`: what a person must know of, one sentence each, for health.
Units: as in `domain.trading_report`.
Never: a change of anything; the picture can be taken while the engine hangs. No number of the account's before its first
reading, and none without the mark of its staleness while it is not heard or not agreed upon.
"""

import math
from dataclasses import replace
from typing import Final

import trio

from traderv3.domain.orders import OrderState
from traderv3.domain.permission import Mode
from traderv3.domain.trading_report import TradingReport
from traderv3.trading.engine import Engine
from traderv3.trading.pilot import TradingFacts
from traderv3.trading.risk_usage import usage

SOON_S: Final = 0.1  # a picture costs milliseconds where much rests; every single change is told apart from it
FRESH_S: Final = 0.5  # values move with every book; people read no faster
STILL_S: Final = 2.0  # an engine that has not stepped for so long does not run
UNKNOWN_S: Final = 10.0  # an order of which nothing is known for so long is a trouble


class Picture:
    """Of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._report: TradingReport | None = None
        self._taken: tuple[object, ...] = ()
        self._taken_at = 0.0
        self._version = 0
        self._acted_at = trio.current_time() - 1.0

    def facts(self) -> TradingFacts:
        """What the state machine decides by."""
        engine, now = self._engine, trio.current_time()
        if engine.portfolio.open:
            self._acted_at = now
        blocked = self._blocked()
        return TradingFacts(
            may_trade=blocked is None,
            is_clean=engine.reconciliation.is_clean,
            idle_s=now - self._acted_at,
            why=blocked or engine.reconciliation.why,
        )

    def report(self, at_us: int) -> TradingReport:
        """The picture now, or the last one if that is not long ago."""
        engine, now = self._engine, trio.current_time()
        stamp = (engine.portfolio.version, engine.latch.stand, engine.obstacle, self._doubt(at_us))
        if self._report is None or now - self._taken_at >= (FRESH_S if stamp == self._taken else SOON_S):
            self._taken, self._taken_at = stamp, now
            self._version += 1
            self._report = self._take(at_us)
        return self._report

    def troubles(self, at_us: int) -> dict[str, str]:
        """What a person must know of, a sentence for each kind of trouble."""
        engine, found = self._engine, dict[str, str]()
        unknown = [
            order
            for order in engine.portfolio.open.values()
            if order.state is OrderState.UNKNOWN and at_us - order.since_us > UNKNOWN_S * 1e6
        ]
        if unknown:
            shown = ", ".join(order.client_order_id for order in unknown[:3])
            found["unknown"] = f"nobody can say whether {len(unknown)} orders rest ({shown}); evidence is looked for"
        still_s = trio.current_time() - engine.stepped_at
        if math.inf > still_s > STILL_S:
            found["engine"] = (
                f"the engine has not moved for {still_s:.0f} s: nothing is decided; a halt works all the same"
            )
        for line in engine.reconciliation.differences:
            if not line.is_settled:
                said = f"ours {line.ours}, the venue's {line.venue}; nothing new is sent until they agree"
                found[f"difference {line.key}"] = f"{line.what} {line.key}: {said}"
        for lock in engine.day.facts(at_us).locks:
            found[f"{lock.rule} {lock.scope}"] = f"stop {lock.rule}: {lock.reason}; no new exposure of {lock.scope}"
        if engine.day.trouble is not None:
            found["day book"] = engine.day.trouble
        return found

    def _blocked(self) -> str | None:
        stand = self._engine.latch.stand
        if stand.mode is Mode.HALTED:
            return f"trading is halted by {stand.by}: {stand.reason}"
        return self._standstill() or self._engine.senses.account_trouble()

    def _standstill(self) -> str | None:
        """Why nobody takes in what is heard; None while the engine does."""
        engine = self._engine
        if engine.stepped_at == -math.inf:
            return engine.obstacle
        return "the engine does not step" if trio.current_time() - engine.stepped_at > STILL_S else None

    def _doubt(self, at_us: int) -> str | None:
        return self._standstill() or self._engine.account_doubt(at_us)

    def _stage(self) -> str:
        engine = self._engine
        if self._blocked() is not None:
            return "waiting"
        if not engine.reconciliation.is_clean:
            return "calibrating"
        return "acting" if engine.portfolio.open else "clean"

    def _take(self, at_us: int) -> TradingReport:
        engine, portfolio = self._engine, self._engine.portfolio
        reconciliation = engine.reconciliation
        totals, doubt = portfolio.totals(engine.feed), self._doubt(at_us)
        since_us = None if doubt is None or engine.heard_us is None else min(engine.heard_us, at_us)
        report = TradingReport(
            stage=self._stage(),
            why=engine.obstacle,
            strategy=engine.strategy.name,
            mode=engine.latch.stand.mode.value,
            orders=portfolio.order_lines(),
            fills=portfolio.fill_lines(),
            positions=portfolio.position_lines(engine.feed),
            limits=usage(engine.decider.risk_facts(at_us), engine.limits),
            refusals=engine.refusals.lines,
            differences=reconciliation.differences,
            balance=portfolio.free,
            realized=totals.realized,
            unrealized=totals.unrealized,
            fees=totals.fees,
            worst_case=totals.worst_case,
            resting=totals.resting,
            unknown=totals.unknown if engine.stepped_at > -math.inf else None,
            is_read=reconciliation.is_read,
            stale_reason=doubt,
            stale_since_us=since_us,
            calibrated_us=reconciliation.calibrated_us,
            decided_us=engine.decider.decided_us,
            version=self._version,
        )
        return report if report.is_read else _unread(report)


def _unread(report: TradingReport) -> TradingReport:
    """The same without the sums of an account that nobody has read yet: nothing added up is no zero."""
    return replace(
        report,
        positions=None,
        limits=(),
        realized=None,
        unrealized=None,
        fees=None,
        worst_case=None,
        resting=None,
    )
