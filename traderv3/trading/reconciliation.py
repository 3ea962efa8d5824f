"""The account as the venue reads it, held against ours: what is adopted, what is in doubt, and when trading is allowed.

    waiting ── first reading: adopted ──► calibrating ── a reading that agrees ──► clean
                                               ▲                                     │
                                               └── something missed, or a difference ┘

A reading may be older than what the socket told, or younger; the venue's own times say which. So it agrees if it shows
our position as it is, or as it was before any of the fills that are younger than the reading. What disagrees in two
readings running, by the same amount, is a difference: the venue's number is adopted, both are shown, and nothing new is
sent before a later reading agrees. What was missed is in a reading only if that is younger.
Units: counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: an absence out of an error, or out of a reading older than the request; a number that is adopted in silence.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from traderv3.config.limits import LIMITS
from traderv3.domain.execution import HeldPosition, Snapshot
from traderv3.domain.market_facts import Fill
from traderv3.domain.orders import Order, OrderState
from traderv3.domain.trading_report import DifferenceLine
from traderv3.domain.units import DOLLAR, Money, Qty, format_money, format_qty
from traderv3.trading.portfolio import Portfolio

SKEW_US: Final = 1_500_000  # how far the venue's clock may be from what we take it for (`clients.venue_clock`)
LAG_US_MAX: Final = 30_000_000  # a replica that is further behind proves nothing about now
ABSENCE_US: Final = int(LIMITS.order_s * 1e6) + SKEW_US  # a request may arrive so late
UNCOMPARED_US: Final = 300_000_000  # trading that never rests is made to, so that the balance can be compared
FILLS_KEPT: Final = 4096
DIFFERENCES_KEPT: Final = 200
FEE_MAX: Final = 350  # money per 0.01 contract: twice the highest fee there is
_AGREED: Final = "the account agrees with the venue's"
_BALANCE: Final = ("balance", "cash")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One number of ours that a reading does not show. `amount`: the venue's less ours; the same twice is no chance."""

    what: str  # "position", "balance", "order"
    key: str
    ours: str
    venue: str
    amount: int
    held: HeldPosition | None = None
    balance: Money | None = None


class Reconciliation:
    """What is known of the agreement. Outlives the starts of the engine, whose part it is."""

    def __init__(self) -> None:
        self.is_clean = False
        self.why = "the account was not read yet"
        self.calibrated_us: int | None = None  # when a reading last agreed
        self.as_of_us = 0
        self._as_of_ours_us = 0  # the same by our clock, by which our orders are dated
        self.is_read = False  # a first reading was adopted
        self._is_agreed = False  # a reading agreed at least once in this process
        self._suspected: dict[tuple[str, str], Mismatch] = {}
        self._differences: dict[tuple[str, str], DifferenceLine] = {}
        self._fills: deque[tuple[int, str, int]] = deque(maxlen=FILLS_KEPT)
        self._moved_us = 0
        self._missed_us = 0  # 0: nothing that a reading has not shown since
        self._is_comparable = False  # the balance, in the reading at hand
        self._compared_us = 0  # when the balance was last compared

    @property
    def differences(self) -> tuple[DifferenceLine, ...]:
        """Those of this process, unsettled ones first, newest first."""
        lines = reversed(self._differences.values())
        return tuple(sorted(lines, key=lambda line: line.is_settled))

    @property
    def is_in_doubt(self) -> bool:
        """Another reading should come soon."""
        return not self.is_clean or bool(self._suspected)

    def doubt(self, why: str, *, missed_us: int = 0) -> None:
        """Only a reading that agrees makes it clean again; one younger than `missed_us` if something may have been missed."""
        self.is_clean, self.why = False, why
        self._missed_us = max(self._missed_us, missed_us)

    def note_fill(self, fill: Fill) -> None:
        """A fill was booked that was not known before."""
        self._fills.append((fill.at_us, fill.ticker, fill.count if fill.is_yes else -fill.count))

    def note_move(self, at_us: int) -> None:
        """An order or a fill of ours changed at this moment: a reading as old as that shows another balance."""
        self._moved_us = at_us

    def take(self, reading: Snapshot, portfolio: Portfolio, *, at_us: int, offset_us: int = 0) -> list[str]:
        """Judge and adopt a reading whose fills and orders the portfolio has taken already; `offset_us` is the venue's clock
        before ours. Returns the orders (`client_order_id`) that it proves never to have come to be.
        """
        if reading.as_of_us < self.as_of_us:
            return []  # another replica, further behind: it tells nothing new
        self.as_of_us, self._as_of_ours_us = reading.as_of_us, reading.as_of_us - offset_us
        self._moved_us, self._missed_us = min(self._moved_us, at_us), min(self._missed_us, at_us)  # a clock set back
        told = {order.client_order_id for order in reading.orders}
        is_ghost = any(order.state is OrderState.RESTING and key not in told for key, order in portfolio.open.items())
        self._is_comparable = self._as_of_ours_us > self._moved_us + SKEW_US and not is_ghost
        absent = list(self._absent(portfolio.open.values(), reading))
        found = {(each.what, each.key): each for each in self._compare(reading, portfolio)}
        if self._is_agreed:
            self._judge(found, portfolio, at_us)
        else:  # nothing was ever agreed upon: the venue's word is all there is
            if not self.is_read:  # what is closed has had its profit and its fees, too
                for each in reading.positions:
                    portfolio.adopt_position(each, max(each.updated_us, reading.as_of_us))
            self._adopt(found.values(), portfolio, at_us)
            unknown = [key for key, order in portfolio.open.items() if _is_awaited(order) and key not in absent]
            self._is_agreed = self.is_read and not found and not unknown and self._is_comparable
            self.why = f"{len(unknown)} orders of before are looked for" if unknown else "a second reading is to agree"
            self.is_read = True
        if self._is_agreed and at_us - self._as_of_ours_us > LAG_US_MAX:
            self.doubt(f"the venue's reads are {(at_us - self._as_of_ours_us) // 1_000_000} s behind")
        elif self._is_agreed and not found:
            self._agree(at_us)
        return absent

    def _agree(self, at_us: int) -> None:
        """All that could be compared agrees. Only a reading that compared the balance, too, ends a doubt."""
        if self._missed_us and self._as_of_ours_us <= self._missed_us + SKEW_US:
            self.why = "the venue's reads are older than what was missed"
        elif self._is_comparable:
            self._compared_us, self._missed_us = at_us, 0
            self._settle()
            self.is_clean, self.why = True, _AGREED
        elif self.is_clean and at_us - self._compared_us > UNCOMPARED_US:
            self.doubt("trading rests for a moment, so that the balance can be compared")
        elif not self.is_clean:
            self.why = "the balance is compared as soon as nothing moves"
        if self.is_clean:
            self.calibrated_us = at_us

    def _judge(self, found: dict[tuple[str, str], Mismatch], portfolio: Portfolio, at_us: int) -> None:
        before = self._suspected
        confirmed = [each for key, each in found.items() if key in before and before[key].amount == each.amount]
        self._adopt(confirmed, portfolio, at_us)
        self._show(confirmed, at_us)
        self._suspected = {key: each for key, each in found.items() if each not in confirmed}
        if not self._is_comparable and _BALANCE in before:  # not compared: neither confirmed nor refuted
            self._suspected[_BALANCE] = before[_BALANCE]

    # -- comparing -----------------------------------------------------------------------------------------------------

    def _compare(self, reading: Snapshot, portfolio: Portfolio) -> Iterable[Mismatch]:
        held = {each.ticker: each for each in reading.positions}
        for ticker in sorted(held.keys() | portfolio.positions.keys()):
            mine = portfolio.position(ticker)
            theirs = held[ticker].position if ticker in held else Qty(0)
            if theirs not in self._as_it_was(ticker, mine, reading.as_of_us):
                ours, venue = format_qty(mine), format_qty(theirs)
                yield Mismatch("position", ticker, ours, venue, theirs - mine, held.get(ticker))
        yield from self._compare_balance(reading, portfolio)
        told = {order.client_order_id for order in reading.orders}
        for key, order in portfolio.open.items():
            is_old = self._as_of_ours_us > order.since_us + ABSENCE_US
            if is_old and order.state is OrderState.RESTING and key not in told:
                yield Mismatch("order", key, "resting", "not there", 0)

    def _as_it_was(self, ticker: str, position: int, as_of_us: int) -> Iterable[int]:
        """Our position now, and before each of the fills that a reading of that age need not show."""
        yield position
        for at_us, filled, change in reversed(self._fills):
            if filled == ticker and at_us >= as_of_us - SKEW_US:
                position -= change
                yield position

    def _compare_balance(self, reading: Snapshot, portfolio: Portfolio) -> Iterable[Mismatch]:
        """The balance is what may be spent: cash less what resting orders claim, by a rule of which the venue tells the
        outline alone; so it is exact only while nothing rests.
        """
        cash, free, balance = portfolio.cash, portfolio.free, reading.balance
        if cash is None or free is None:
            yield Mismatch("balance", "cash", "unknown", format_money(balance), balance, balance=balance)
            return
        if not self._is_comparable:
            return  # it may show the last change or not, or what an order held that is gone; a later one will tell
        claimed = sum(_claim_at_most(order.is_bid, order.price, order.remaining) for order in portfolio.open.values())
        claimed += sum(
            _claim_at_most(order.is_yes, order.yes_price, order.remaining) for order in portfolio.foreign.values()
        )
        if not cash - claimed <= balance <= cash:
            yield Mismatch(
                "balance", "cash", format_money(free), format_money(balance), balance - free, balance=balance
            )

    def _absent(self, orders: Iterable[Order], reading: Snapshot) -> Iterable[str]:
        """Orders whose request would have arrived before the reading, which holds all since then, and does not hold them.

        Not those whose answer is still to come: by a clock that was set forward they seem old.
        """
        told = {order.client_order_id for order in reading.orders}
        for order in orders:
            is_late = self._as_of_ours_us > order.since_us + ABSENCE_US
            if is_late and order.state is OrderState.UNKNOWN and order.client_order_id not in told:
                yield order.client_order_id

    # -- consequences --------------------------------------------------------------------------------------------------

    def _adopt(self, found: Iterable[Mismatch], portfolio: Portfolio, at_us: int) -> None:
        for each in sorted(found, key=lambda each: each.what == "balance"):  # what orders hold is added to it
            match each.what:
                case "position" if each.held is not None:
                    portfolio.adopt_position(each.held, max(each.held.updated_us, self.as_of_us))
                case "position":
                    portfolio.adopt_nothing(each.key, self.as_of_us)
                case "balance":
                    assert each.balance is not None
                    portfolio.adopt_cash(each.balance)
                case "order":
                    portfolio.absent(each.key, at_us)

    def _show(self, confirmed: Iterable[Mismatch], at_us: int) -> None:
        for each in confirmed:
            key = (each.what, each.key)
            held = self._differences.pop(key, None)
            since_us = held.since_us if held is not None and not held.is_settled else at_us
            self._differences[key] = DifferenceLine(
                what=each.what, key=each.key, ours=each.ours, venue=each.venue, since_us=since_us, is_settled=False
            )
            self.doubt(f"{each.what} {each.key}: ours {each.ours}, the venue's {each.venue}; a reading is to agree")
        while len(self._differences) > DIFFERENCES_KEPT:
            del self._differences[next(iter(self._differences))]

    def _settle(self) -> None:
        for key, line in self._differences.items():
            if not line.is_settled:
                self._differences[key] = replace(line, is_settled=True)


def _is_awaited(order: Order) -> bool:
    return order.state in (OrderState.SENT, OrderState.UNKNOWN)


def _claim_at_most(is_bid: bool, price: int, count: int) -> int:
    return count * ((price if is_bid else DOLLAR - price) + FEE_MAX)
