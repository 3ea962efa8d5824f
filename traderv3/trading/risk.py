"""Risk: every new order and every change is approved or refused here, at this moment, with the rule and both numbers.

`assess` runs down `CHECKS`, a table in order of cost; the first that objects refuses. Then the scopes, from the narrowest:
market, event, series, strategy, account, each with its size, notional, worst case, open orders and orders a minute.
    halted        nothing                    reducing, or a stop   only what closes a position and cannot turn it round
    data gate     book live, its connection heard of, cross-check agreeing, market active, event and price grid known
    stake         what an order, a scope or a day may put at risk. Closing puts nothing at risk and passes, but for one leg of
                  a hedge: without it the other leg may lose all, and the worst case of their event says so
    mechanical    size of one order, orders open, orders a second and a minute: they end a loop that has run away, whatever it
                  wants, and hold for what closes too
Pure: facts and limits in, a verdict out. Withdrawals are not asked about: taking an order back is always allowed.
Units: as in `domain.orders`; money 1e-6 dollar.
Never: an `Approved` made anywhere else; an order refused for a figure that it does not make larger.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from traderv3.domain.book import NONE, BookState
from traderv3.domain.feed import Feed
from traderv3.domain.fees import trade_fee
from traderv3.domain.market_facts import UserOrder
from traderv3.domain.orders import Approved, Change, Draft, Order, Refused
from traderv3.domain.permission import Mode
from traderv3.domain.positions import Position
from traderv3.domain.risk_limits import SCOPES, RiskLimits, ScopeLimits
from traderv3.domain.units import DOLLAR, Price, format_money, format_price, format_qty
from traderv3.trading.day_book import ACCOUNT, DayFacts, StopLock
from traderv3.trading.exposure import (
    Claim,
    Exposures,
    Figures,
    claim_if,
    claim_of,
    claim_of_foreign,
    own_cost,
    taker_rate,
)

TRADED: Final = "active"  # the venue's word for a market that takes orders
SECOND_US: Final = 1_000_000

W = TypeVar("W", Draft, Change)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFacts:
    """What risk reads, in place. `orders`: every open one, of all strategies; what the same batch sent already among them.
    `foreign`: what rests for the account besides, made by others than us.

    `positions` by ticker are the account's, `own_positions` the share of `strategy`, which wants something.
    `clock_offset_us`: the venue's clock before ours, None until measured; `cross_check`: what share agreed, None before
    the first.
    """

    at_us: int
    feed: Feed
    mode: Mode
    orders: Collection[Order]
    positions: Mapping[str, Position]
    strategy: str
    own_positions: Mapping[str, Position]
    clock_offset_us: int | None
    cross_check: float | None
    day: DayFacts
    foreign: Collection[UserOrder] = ()

    def claims(self, *, leave_out: Order | None = None) -> list[Claim]:
        """What all orders may yet do, but one."""
        ours = (claim_of(order) for order in self.orders if order is not leave_out)
        return [*ours, *map(claim_of_foreign, self.foreign)]


def assess(wanted: W, facts: RiskFacts, limits: RiskLimits) -> Approved[W] | Refused[W]:
    """Allow this now, or refuse it with the first rule that it breaks."""
    order = None
    if isinstance(wanted, Change):
        order = next((order for order in facts.orders if order.client_order_id == wanted.client_order_id), None)
        if order is None:
            return Refused(wanted, facts.at_us, "RISK_UNKNOWN_ORDER", f"no open order {wanted.client_order_id[:60]!r}")
    if not (0 < wanted.price < DOLLAR and wanted.count > 0):
        what = f"price {wanted.price} (1e-4 dollar) and count {wanted.count} (0.01 contract) make no order"
        return Refused(wanted, facts.at_us, "RISK_MALFORMED", what)
    case = _Case(wanted, order, facts, limits)
    for rule, check in CHECKS:
        if why := check(case):
            return Refused(wanted, facts.at_us, rule, why)
    for rule, objection in _scope_objections(case):
        return Refused(wanted, facts.at_us, rule, objection)
    return Approved(wanted, facts.at_us)


def lock_of(facts: RiskFacts, strategy: str) -> StopLock | None:
    """The stop that locks this strategy, or the account; None while none does."""
    return next((lock for lock in facts.day.locks if lock.scope in (ACCOUNT, strategy)), None)


class _Case:
    """One order under judgement, and what is worked out of it once."""

    def __init__(self, wanted: Draft | Change, order: Order | None, facts: RiskFacts, limits: RiskLimits) -> None:
        self.wanted = wanted
        self.facts = facts
        self.limits = limits
        self.claim: Final = claim_if(wanted, order)
        self.ticker: Final = self.claim.ticker
        self.is_new: Final = order is None
        self.book: Final = facts.feed.books.get(self.ticker)
        assert self.claim.strategy == facts.strategy, "another strategy's positions were handed in"
        rate = taker_rate(facts.feed, self.ticker)
        self.cost: Final = own_cost(self.claim.is_bid, self.claim.price, self.claim.count, rate)
        self.fee: Final = trade_fee(rate, self.claim.price, self.claim.count)
        others = facts.claims(leave_out=order)
        self.claims_after: Final = [*others, self.claim]
        self.claims_before: Final = others if order is None else [*others, claim_of(order)]

    @property
    def is_closing(self) -> bool:
        """Whatever of our orders in this market fills on that side, with this one the position comes no further than 0."""
        market = self.after.market(self.ticker)
        return market.highest <= 0 if self.claim.is_bid else market.lowest >= 0

    @cached_property
    def before(self) -> Exposures:
        """The account without the order, or with what a change would change."""
        return Exposures(self.facts.feed, self.facts.positions, self.claims_before)

    @cached_property
    def after(self) -> Exposures:
        """The account with it."""
        return Exposures(self.facts.feed, self.facts.positions, self.claims_after)

    @cached_property
    def own_before(self) -> Exposures:
        """The strategy without it."""
        return Exposures(self.facts.feed, self.facts.own_positions, self._mine(self.claims_before))

    @cached_property
    def own_after(self) -> Exposures:
        """The strategy with it."""
        return Exposures(self.facts.feed, self.facts.own_positions, self._mine(self.claims_after))

    def _mine(self, claims: Iterable[Claim]) -> Iterator[Claim]:
        return (claim for claim in claims if claim.strategy == self.claim.strategy)


# -- one order -----------------------------------------------------------------------------------------------------


def _halted(case: _Case) -> str | None:
    return "trading is halted; nothing is sent until `resume`" if case.facts.mode is Mode.HALTED else None


def _reducing(case: _Case) -> str | None:
    if case.facts.mode is not Mode.REDUCING or case.is_closing:
        return None
    return "trading is paused: only orders that close what is held are sent"


def _stopped(case: _Case) -> str | None:
    lock = lock_of(case.facts, case.claim.strategy)
    if lock is None or case.is_closing:
        return None
    left_s = max(0, lock.until_us - case.facts.at_us) // SECOND_US
    return f"{lock.rule}: {lock.reason}; locked for {left_s} s more, or until `resume`"


def _clock(case: _Case) -> str | None:
    offset_us, most_ms = case.facts.clock_offset_us, case.limits.gate.clock_offset_ms
    if offset_us is None:
        return "the venue's clock has not been measured yet"
    if abs(offset_us) > most_ms * 1_000:
        return f"the venue's clock is {offset_us // 1_000} ms off ours; at most {most_ms} ms"
    return None


def _terms(case: _Case) -> str | None:
    listing = case.facts.feed.listings.get(case.ticker)
    if listing is None or listing.grid is None or case.facts.feed.terms(case.ticker) is None:
        return "its event, fees or price grid are not known yet"
    return None


def _market(case: _Case) -> str | None:
    feed = case.facts.feed
    status = feed.statuses.get(case.ticker, TRADED)
    if case.ticker in feed.closed or status != TRADED:
        return f"its market takes no orders: {feed.closed.get(case.ticker, status)}"
    return None


def _book(case: _Case) -> str | None:
    book = case.book
    if book is None:
        return "its market is not watched"
    if book.state is not BookState.LIVE:
        return f"its book is {book.state.value}{f': {book.stale_reason}' if book.stale_reason else ''}"
    return None


def _age(case: _Case) -> str | None:
    lines = [line for line in case.facts.feed.lines.values() if line.holds and case.ticker in line.tickers]
    heard_us = max((line.heard_us or line.last_message_us or 0 for line in lines), default=0)
    age_ms, most_ms = (case.facts.at_us - heard_us) // 1_000, case.limits.gate.data_age_ms
    if not lines:
        return "no connection that is up carries its book"
    return f"nothing was heard on its connection for {age_ms} ms; at most {most_ms} ms" if age_ms > most_ms else None


def _cross_check(case: _Case) -> str | None:
    score, least = case.facts.cross_check, case.limits.gate.cross_check_percent
    if score is not None and score * 100 < least:
        return f"{score * 100:.0f} % of the latest comparisons with REST agreed; at least {least} %"
    return None


def _grid(case: _Case) -> str | None:
    grid = case.facts.feed.listings[case.ticker].grid
    assert grid is not None
    return None if grid.is_on_grid(case.wanted.price) else f"{format_price(case.wanted.price)} is not on its price grid"


def _collar(case: _Case) -> str | None:
    """How far an order would reach through the book: a price that nobody means is a mistake."""
    book, collar = case.book, case.limits.gate.collar
    assert book is not None
    is_bid, price = case.claim.is_bid, case.wanted.price
    other, own = (book.best_no, book.best_yes) if is_bid else (book.best_yes, book.best_no)
    if other == own == NONE:
        return "its book is empty: there is no price to compare with"
    # Both sides are bids, each in its own prices: the other side's best, seen from ours, is a dollar less it.
    best, reach = (DOLLAR - other if other != NONE else own), (price if is_bid else DOLLAR - price)
    if reach - best <= collar:
        return None
    shown = format_price(Price(best if is_bid else DOLLAR - best))
    return f"{format_price(price)} is {reach - best} (1e-4 dollar) beyond {shown}; at most {collar}"


def _order_size(case: _Case) -> str | None:
    most = case.limits.order.size
    return (
        f"{format_qty(case.wanted.count)} contracts; at most {format_qty(most)}" if case.wanted.count > most else None
    )


def _order_notional(case: _Case) -> str | None:
    """What closes costs nothing: it gives money back."""
    most = case.limits.order.notional
    if case.cost > most and not case.is_closing:
        return f"costs {format_money(case.cost)} with its fee; at most {format_money(most)}"
    return None


def _burst(case: _Case) -> str | None:
    """Orders of the last second, all together."""
    since_us, most, count = case.facts.at_us - SECOND_US, case.limits.gate.orders_per_s, 0
    for sent in reversed(case.facts.day.recent):
        if sent.at_us <= since_us:
            break
        count += 1
    return f"{count + 1} orders in a second; at most {most}" if count + 1 > most else None


def _blind(case: _Case) -> str | None:
    if case.facts.day.is_blind and not case.is_closing:
        return "what the account is worth cannot be said, so that no loss would stop it"
    return None


def _day_orders(case: _Case) -> str | None:
    orders, most = case.facts.day.orders + 1, case.limits.day.orders
    return f"{orders} orders today; at most {most}" if orders > most and not case.is_closing else None


def _day_turnover(case: _Case) -> str | None:
    turnover, most = case.facts.day.turnover, case.limits.day.turnover
    if turnover + case.cost > most and not case.is_closing:
        return f"turned over {format_money(turnover)} today, and this for {format_money(case.cost)}; at most {format_money(most)}"
    return None


CHECKS: Final[tuple[tuple[str, Callable[[_Case], str | None]], ...]] = (
    ("RISK_HALTED", _halted),
    ("RISK_CLOCK_OFFSET", _clock),
    ("RISK_MARKET_CLOSED", _market),
    ("RISK_BOOK_NOT_LIVE", _book),
    ("RISK_STALE_DATA", _age),
    ("RISK_CROSS_CHECK", _cross_check),
    ("RISK_TERMS_UNKNOWN", _terms),
    ("RISK_PRICE_GRID", _grid),
    ("RISK_PRICE_COLLAR", _collar),
    ("RISK_MAX_ORDER_SIZE", _order_size),
    ("RISK_MAX_ORDER_NOTIONAL", _order_notional),
    ("RISK_MAX_ORDERS_PER_S", _burst),
    ("RISK_REDUCING", _reducing),
    ("RISK_STOPPED", _stopped),
    ("RISK_VALUE_UNKNOWN", _blind),
    ("RISK_MAX_DAY_ORDERS", _day_orders),
    ("RISK_MAX_DAY_TURNOVER", _day_turnover),
)


# -- scopes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Measure:
    """How a figure of a scope is said."""

    noun: str
    show: Callable[[int], str]
    unit: str  # as `LimitLine.unit`


MEASURES: Final[Mapping[str, Measure]] = {
    "open_orders": Measure("open orders", str, "orders"),
    "orders_per_minute": Measure("orders in a minute", str, "orders"),
    "size": Measure("contracts", format_qty, "contracts/100"),
    "notional": Measure("dollars of cost", format_money, "usd/1e6"),
    "worst_case": Measure("dollars that could be lost", format_money, "usd/1e6"),
}


def member_of(feed: Feed, scope: str, ticker: str) -> str:
    """What the market, event or series of a market is called, or the account. Whose event is not known is alone."""
    if scope == "market":
        return ticker
    if scope == "event":
        listing = feed.listings.get(ticker)
        return (listing.event_ticker if listing else None) or ticker
    if scope == "series":
        terms = feed.terms(ticker)
        return terms.series_ticker if terms else ticker
    return ACCOUNT


def _scope_objections(case: _Case) -> Iterator[tuple[str, str]]:
    """The limits of scopes that the order would pass, as `(rule, why)`."""
    for scope in SCOPES:
        limits: ScopeLimits = getattr(case.limits, scope)
        for measure, value, held in _values(case, scope):
            most: int = getattr(limits, measure)
            if value > most and value > held():
                said = MEASURES[measure]
                name = case.claim.strategy if scope == "strategy" else member_of(case.facts.feed, scope, case.ticker)
                whole = "the account" if scope == ACCOUNT else f"{scope} {name}"
                why = f"{whole} would come to {said.show(value)} {said.noun}; at most {said.show(most)}"
                yield f"RISK_MAX_{scope.upper()}_{measure.upper()}", why


def _values(case: _Case, scope: str) -> Iterator[tuple[str, int, Callable[[], int]]]:
    """`(measure, with the order, without it)` for each of `MEASURES`; what is dear to work out comes last, or when asked for."""
    feed, is_own = case.facts.feed, scope == "strategy"
    here = member_of(feed, scope, case.ticker)

    def is_in(ticker: str, strategy: str) -> bool:
        return (not is_own or strategy == case.claim.strategy) and member_of(feed, scope, ticker) == here

    def figures(exposures: Exposures) -> Figures:
        return exposures.figures(ticker for ticker in exposures.tickers if member_of(feed, scope, ticker) == here)

    def before() -> Figures:
        return figures(case.own_before if is_own else case.before)

    if case.is_new:
        orders = sum(is_in(claim.ticker, claim.strategy) for claim in case.claims_before)
        yield "open_orders", orders + 1, lambda: orders
    sent = sum(is_in(sent.ticker, sent.strategy) for sent in case.facts.day.recent)
    yield "orders_per_minute", sent + 1, lambda: sent
    after = figures(case.own_after if is_own else case.after)
    yield "size", after.size, lambda: before().size
    yield "notional", after.notional, lambda: before().notional
    yield "worst_case", after.worst_case, lambda: before().worst_case + case.fee  # which whoever closes pays too
