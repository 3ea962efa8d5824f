"""The account's side of the portfolio: a ledger for every market, each strategy's share of it, and the cash they imply.

Cash is the last balance that was adopted and what every ledger did to it since. Each strategy's share is the fold of its
own orders' fills in this process; what was held before is nobody's.
Units: counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: a number of the venue's adopted without being asked to.
"""

from collections.abc import Mapping

from traderv3.domain.execution import HeldPosition
from traderv3.domain.market_facts import Fill
from traderv3.domain.positions import MarketLedger, Position, Settlement
from traderv3.domain.units import Money, Qty

NO_POSITION = Position()


class Holdings:
    """Positions and cash. `told` is what the venue's socket last said of a position, by ticker."""

    def __init__(self) -> None:
        self.told: dict[str, Qty] = {}
        self._ledgers: dict[str, MarketLedger] = {}
        self._shares: dict[str, dict[str, MarketLedger]] = {}  # by strategy, then ticker
        self._cash_before: Money | None = None  # cash less everything that flows

    def add(self, fill: Fill) -> bool:
        """Take a fill of the account; False if it is known, or in what was adopted."""
        return _of(self._ledgers, fill.ticker).add(fill)

    def share(self, strategy: str, fill: Fill) -> None:
        """A fill is this strategy's."""
        _of(self._shares.setdefault(strategy, {}), fill.ticker).add(fill)

    def settle(self, settlement: Settlement) -> bool:
        """A market paid out; False if that is known."""
        for shares in self._shares.values():
            if settlement.ticker in shares:
                shares[settlement.ticker].settle(settlement)
        return _of(self._ledgers, settlement.ticker).settle(settlement)

    def adopt_position(self, held: HeldPosition, as_of_us: int) -> None:
        """Take the venue's stake in a market as it was then; younger fills stay on top of it.

        Cash moves by nothing: what fills are in it that we never heard of shows up as a difference of the balance.
        """
        ledger = _of(self._ledgers, held.ticker)
        flow = ledger.position_at(as_of_us).flow
        ledger.rebase(Position(held.position, held.exposure, held.realized_pnl, held.fees_paid, flow), as_of_us)
        self.told[held.ticker] = ledger.position.count

    def adopt_nothing(self, ticker: str, as_of_us: int) -> None:
        """The venue lists no stake in a market: nobody held anything there then. What it had brought and cost stays."""
        _of(self._ledgers, ticker)
        for ledgers in (self._ledgers, *self._shares.values()):
            if ticker in ledgers:
                known = ledgers[ticker].position_at(as_of_us)
                ledgers[ticker].rebase(Position(realized=known.realized, fees=known.fees, flow=known.flow), as_of_us)
        self.told[ticker] = self.position(ticker).count

    def adopt_cash(self, cash: Money) -> None:
        """Take this as all money of the account, as of now."""
        self._cash_before = Money(cash - self._flow)

    @property
    def cash(self) -> Money | None:
        """All money of the account, with what orders hold; None until it was adopted once."""
        return None if self._cash_before is None else Money(self._cash_before + self._flow)

    @property
    def positions(self) -> Mapping[str, Position]:
        """Every market in which something was ever held, by ticker."""
        return {ticker: ledger.position for ticker, ledger in self._ledgers.items()}

    def position(self, ticker: str) -> Position:
        """One market's stake."""
        ledger = self._ledgers.get(ticker)
        return NO_POSITION if ledger is None else ledger.position

    def of_strategy(self, strategy: str) -> Mapping[str, Position]:
        """What a strategy's own fills come to, by ticker."""
        return {ticker: ledger.position for ticker, ledger in self._shares.get(strategy, {}).items()}

    def check(self) -> None:
        """Assert every invariant; for tests and simulations."""
        for ledgers in (self._ledgers, *self._shares.values()):
            for ledger in ledgers.values():
                ledger.check()

    @property
    def _flow(self) -> int:
        return sum(ledger.position.flow for ledger in self._ledgers.values())


def _of(ledgers: dict[str, MarketLedger], ticker: str) -> MarketLedger:
    if ticker not in ledgers:
        ledgers[ticker] = MarketLedger()
    return ledgers[ticker]
