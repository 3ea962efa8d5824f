"""The venue of `local`: our orders against the live books, with queue, fees and play money, and nothing on any wire.

    requests ─► on their way for `DELAYS_S` ─► matched in the shadow of the live book ─► answers, orders, fills
    books, public trades ─► `look`, `note_trade` ─► fills of what rests

It stands where gateway, account connector and account stand elsewhere, and answers in the same words and order.
Orders, fills and play money begin anew with every process. What the live market would have done because of our orders
it cannot know: what we take is missing for us alone (`trading.shadow_market`).
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: a socket, a key or a client; this room may not import one. A new order, or a change, while trading is halted.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import trio

from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Answer,
    Cancel,
    CancelAll,
    Create,
    Decrease,
    EngineItem,
    Outcome,
    Rejected,
    Request,
    Snapshot,
    Unknown,
    Written,
)
from traderv3.domain.feed import Feed
from traderv3.domain.fees import FeeSchedule
from traderv3.domain.market_facts import Fill, MarketLifecycle, Trade
from traderv3.domain.matching import Match, Verdict
from traderv3.domain.orders import NOTHING, Draft, TimeInForce
from traderv3.domain.permission import Latch, Mode, Stand
from traderv3.domain.units import Money, Price, Qty
from traderv3.trading.shadow_account import ShadowAccount, ShadowOrder
from traderv3.trading.shadow_market import ShadowMarket

DELAYS_S: Final = (0.02, 0.12)  # a request takes so long to the venue's books; drawn for each
REQUESTS_MAX: Final = 1_000
ORDERS_KEPT: Final = 10_000
FILLS_KEPT: Final = 10_000
TRADES_MAX: Final = 10_000
LOOK_S: Final = 0.25  # expiries, and markets that closed
_SECOND_US: Final = 1_000_000
_NOT_FOUND: Final = Unknown("not_found: no such order rests; that proves nothing of how it ended")


class ShadowVenue:
    """`OrderPort` and `AccountReads` in one. Made once; its actor may be started again and again."""

    name = "shadow_venue"

    def __init__(
        self,
        feed: Feed,
        latch: Latch,
        *,
        deliver: Callable[[EngineItem], None],
        wall_us: Callable[[], int],
        rng: random.Random,
        fees: Callable[[str], FeeSchedule | None],
        balance: Money,
    ) -> None:
        self.account = ShadowAccount(balance, fees)
        self._feed = feed
        self._latch = latch
        self._deliver = deliver
        self._wall_us = wall_us
        self._rng = rng
        self._markets: dict[str, ShadowMarket] = {}
        self._orders: dict[str, ShadowOrder] = {}  # by order id, the oldest first
        self._resting: dict[str, ShadowOrder] = {}
        self._fills: deque[Fill] = deque(maxlen=FILLS_KEPT)
        self._trades: deque[Trade] = deque(maxlen=TRADES_MAX)  # not met yet; of too many the oldest meet nobody
        self._waiting: deque[tuple[float, Request]] = deque()  # none overtakes another
        self._values: dict[str, Price] = {}  # what determined markets will pay
        self._moved = trio.Event()

    # -- as the order port -----------------------------------------------------------------------------------------

    def submit(self, requests: Sequence[Request]) -> None:
        """Take these; they arrive at the books a little later, in this order."""
        for request in requests:
            if len(self._waiting) >= REQUESTS_MAX:
                self._answer(request, Written(is_dropped=True, why=f"{REQUESTS_MAX} requests are on their way"))
                continue
            self._waiting.append((trio.current_time() + self._rng.uniform(*DELAYS_S), request))
        self._moved.set()

    def is_clear(self) -> bool:
        """Nothing is on its way."""
        return not self._waiting

    @property
    def open_orders(self) -> int:
        """How many orders rest or are on their way to."""
        return len(self._resting) + sum(isinstance(request, Create) for _, request in self._waiting)

    def ahead_of(self, order_id: str) -> Qty | None:
        """How much stands before an order; None if it does not rest."""
        order = self._resting.get(order_id)
        return None if order is None or order.place is None else self._markets[order.ticker].ahead_of(order.place)

    def on_latch(self, _: Stand) -> None:
        """A halt cancels everything in the next step; what is on its way does not arrive."""
        self._moved.set()

    # -- as the account's reads ------------------------------------------------------------------------------------

    async def snapshot(self, since_us: int) -> Snapshot:
        """Everything as of now."""
        await trio.lowlevel.checkpoint()
        now_us = self._wall_us()
        told = [
            order for order in self._orders.values() if order.order_id in self._resting or order.updated_us >= since_us
        ]
        return Snapshot(
            asked_us=now_us,
            as_of_us=now_us,
            orders=[order.word(now_us) for order in told],
            fills=[fill for fill in self._fills if fill.at_us >= since_us],
            positions=self.account.holdings(),
            balance=Money(self.account.cash - self.account.held(self._resting.values())),
        )

    # -- as the actor ----------------------------------------------------------------------------------------------

    async def run(self, lifeline: Lifeline) -> None:
        """Carry out what arrives, until told to stop."""
        lifeline.started()
        while not lifeline.stopping.is_set():
            lifeline.beat()
            self._moved = trio.Event()
            self._follow_markets()
            self._carry_out(trio.current_time())
            if self._latch.stand.mode is Mode.HALTED:
                self._cancel(list(self._resting.values()), None)
            self._expire(self._wall_us())
            until = trio.current_time() + LOOK_S
            with trio.move_on_at(min(until, self._waiting[0][0]) if self._waiting else until):
                await self._moved.wait()

    # -- what the market does --------------------------------------------------------------------------------------

    def look(self) -> None:
        """Books were written: the next step follows them."""
        if self._markets:
            self._moved.set()

    def note_trade(self, trade: Trade) -> None:
        """A public trade."""
        if trade.ticker in self._markets:
            self._trades.append(trade)
            self._moved.set()

    def note_life(self, fact: MarketLifecycle) -> None:
        """A market that is determined takes no orders any more; once settled it pays."""
        if fact.settlement_value is not None:
            self._values[fact.ticker] = fact.settlement_value
        if fact.event_type == "settled" and fact.ticker in self._values:
            self._close(fact.ticker)
            self.account.settle(fact.ticker, self._values.pop(fact.ticker), self._wall_us())
            self._deliver(self.account.told(fact.ticker, self._wall_us()))

    def check(self) -> None:
        """Assert every invariant; for tests."""
        assert all(order.status == "resting" and order.remaining > 0 for order in self._resting.values())
        for order in self._resting.values():
            assert order.place is not None
            assert (order.place.price, order.place.size) == (order.price, order.remaining)
        for market in self._markets.values():
            market.check()

    # -- markets ---------------------------------------------------------------------------------------------------

    def _follow_markets(self) -> None:
        """Bring every mirror up to its book, and let the trades since meet what rests."""
        for ticker, market in list(self._markets.items()):
            self._make(market.sync())
            if market.is_idle:
                del self._markets[ticker]
        while self._trades:
            trade = self._trades.popleft()
            if trade.ticker in self._markets:
                self._make(self._markets[trade.ticker].trade(trade))

    # -- requests --------------------------------------------------------------------------------------------------

    def _carry_out(self, now: float) -> None:
        """Everything that has arrived by now, in order."""
        while self._waiting and self._waiting[0][0] <= now:
            request = self._waiting.popleft()[1]
            is_new_risk = isinstance(request, Create | Amend)
            if is_new_risk and self._latch.stand.mode is Mode.HALTED:
                self._answer(request, Written(is_dropped=True, why="trading is halted"))
                continue
            self._answer(request, Written())
            match request:
                case Create():
                    self._create(request)
                case Amend():
                    self._amend(request)
                case Decrease(order_id=order_id, to=to):
                    self._decrease(request, order_id, to)
                case Cancel(order_id=order_id):
                    self._withdraw(request, order_id)
                case CancelAll():
                    self._answer(request, Accepted("", None, None, self._wall_us()))
                    self._cancel(list(self._resting.values()), None)

    def _create(self, request: Create) -> None:
        draft, now_us = request.order.wanted, self._wall_us()
        count = draft.count
        if draft.is_reduce_only:
            count = min(count, self.account.closable(draft.ticker, is_bid=draft.is_bid))
        order = ShadowOrder(
            order_id=f"shadow-{request.client_order_id}",
            client_order_id=request.client_order_id,
            ticker=draft.ticker,
            is_bid=draft.is_bid,
            price=draft.price,
            initial=count,
            remaining=count,
            created_us=now_us,
            updated_us=now_us,
            expires_us=None if draft.ttl_s is None else now_us + round(draft.ttl_s * _SECOND_US),
            is_post_only=draft.is_post_only,
        )
        refusal = self._refusal(order, draft)
        if refusal is not None:
            self._answer(request, refusal)
            return
        fills, refusal = self._match(order, draft.time_in_force)
        if refusal is not None:
            self._answer(request, refusal)
            return
        self._keep(order)
        self._settle_in(order, "Trade" if fills else None)
        self._answer(request, Accepted(order.order_id, order.filled, order.remaining, now_us))
        self._tell(order, fills)

    def _amend(self, request: Amend) -> None:
        """As the venue does: less in its place, anything else at the back of the new queue, where it may trade."""
        order, now_us = self._resting.get(request.order_id), self._wall_us()
        if order is None or order.place is None:
            self._answer(request, _NOT_FOUND)
            return
        price, remaining = request.change.wanted.price, Qty(request.count - order.filled)
        if remaining <= 0:
            self._answer(request, Rejected("invalid_order_size", "no more than what is filled already"))
            return
        keeps_place = price == order.price and remaining <= order.remaining
        refusal = None if keeps_place else self._refusal_of_terms(order, price, remaining)
        if refusal is not None:
            self._answer(request, refusal)
            return
        less, place = Qty(order.remaining - remaining), order.place
        order.price, order.initial, order.remaining, order.updated_us = price, request.count, remaining, now_us
        fills: Sequence[Fill] = ()
        if not keeps_place:
            self._markets[order.ticker].withdraw(place)
            order.place = None
            fills, refusal = self._match(order, TimeInForce.GTC)
            self._settle_in(order, "Amend" if refusal is None else "PostOnlyCrossCancel")
        elif less:
            self._markets[order.ticker].withdraw(place, less)
            order.reason = "Amend"
        self._answer(request, Accepted(order.order_id, order.filled, order.remaining, now_us))
        self._tell(order, fills)

    def _decrease(self, request: Decrease, order_id: str, to: Qty) -> None:
        order = self._resting.get(order_id)
        if order is None or order.place is None:
            self._answer(request, _NOT_FOUND)
        elif not 0 < to < order.remaining:
            self._answer(request, Rejected("invalid_order_size", "not less than what rests"))
        else:
            self._markets[order.ticker].withdraw(order.place, Qty(order.remaining - to))
            order.remaining, order.updated_us, order.reason = to, self._wall_us(), "Decrease"
            self._answer(request, Accepted(order.order_id, order.filled, order.remaining, order.updated_us))
            self._tell(order, [])

    def _withdraw(self, request: Cancel, order_id: str) -> None:
        order = self._resting.get(order_id)
        if order is None:
            self._answer(request, _NOT_FOUND)
            return
        self._answer(request, Accepted(order_id, order.filled, NOTHING, self._wall_us(), order.remaining))
        self._cancel([order], None)

    # -- what an order must be -------------------------------------------------------------------------------------

    def _refusal(self, order: ShadowOrder, draft: Draft) -> Rejected | None:
        """Why an order is not taken, in the venue's words as far as it has any."""
        ticker, book = order.ticker, self._feed.books.get(order.ticker)
        if order.order_id in self._orders:
            return Rejected("order_already_exists", "this id was used before")
        if book is None or ticker in self._feed.closed:
            return Rejected("MARKET_INACTIVE", "market is inactive")
        if order.remaining <= 0:
            return Rejected("invalid_order", "reduce only order has no position to reduce")
        if draft.time_in_force is TimeInForce.GTC and draft.is_reduce_only:
            return Rejected("invalid_order", "reduce_only needs immediate_or_cancel or fill_or_kill")
        if ticker not in self._markets:
            self._markets[ticker] = ShadowMarket(book)
        return self._refusal_of_terms(order, order.price, order.remaining)

    def _refusal_of_terms(self, order: ShadowOrder, price: Price, remaining: Qty) -> Rejected | None:
        market, listing = self._markets[order.ticker], self._feed.listings.get(order.ticker)
        if not market.is_live:
            return Rejected("shadow_book_not_live", "without a live book nobody can say what would happen")
        if listing is not None and listing.grid is not None and not listing.grid.is_on_grid(price):
            return Rejected("invalid_price", "not on the market's grid")
        others = [other for other in self._resting.values() if other is not order]
        now, then = self.account.held(self._resting.values()), self.account.held_with(others, order, price, remaining)
        if then > now and then > self.account.cash:
            return Rejected("insufficient_balance", "the play money does not reach")
        return None

    def _match(self, order: ShadowOrder, tif: TimeInForce) -> tuple[Sequence[Fill], Rejected | None]:
        """Let an order meet the book, and book what it took; refused, it has done nothing."""
        market = self._markets[order.ticker]
        self._make(market.sync())
        outcome = market.submit(order.is_bid, order.price, order.remaining, tif, is_post_only=order.is_post_only)
        if outcome.verdict is Verdict.POST_ONLY_CROSSES:
            return (), Rejected("invalid_order", outcome.verdict.value)
        if outcome.verdict is Verdict.FOK_TOO_LARGE:
            return (), Rejected(outcome.verdict.value, "not enough rests")
        order.place = outcome.resting
        return [self._fill(order, match, is_taker=True) for match in outcome.matches], None

    # -- what happens to orders --------------------------------------------------------------------------------------

    def _make(self, matches: Iterable[Match]) -> None:
        """What rests of ours was met."""
        for match in matches:
            order = next(order for order in self._resting.values() if order.place is match.maker)
            fill = self._fill(order, match, is_taker=False)
            self._settle_in(order, "Trade")
            self._tell(order, [fill])

    def _fill(self, order: ShadowOrder, match: Match, *, is_taker: bool) -> Fill:
        return self.account.fill(order, Price(match.price), Qty(match.size), is_taker=is_taker, at_us=self._wall_us())

    def _settle_in(self, order: ShadowOrder, reason: str | None) -> None:
        """After a match: it rests, or it is over."""
        order.reason = reason
        if order.remaining and order.place is not None:
            self._resting[order.order_id] = order
            return
        order.status = "canceled" if order.remaining else "executed"
        order.remaining, order.place = NOTHING, None
        self._resting.pop(order.order_id, None)

    def _cancel(self, orders: Iterable[ShadowOrder], reason: str | None) -> None:
        for order in orders:
            if order.place is not None:
                self._markets[order.ticker].withdraw(order.place)
            order.place, order.updated_us = None, self._wall_us()
            self._settle_in(order, reason)
            self._tell(order, [])

    def _close(self, ticker: str) -> None:
        self._cancel([order for order in self._resting.values() if order.ticker == ticker], "CloseCancel")
        self._markets.pop(ticker, None)

    def _expire(self, now_us: int) -> None:
        """Orders whose time is over, and those of markets that are."""
        due = [order for order in self._resting.values() if (order.expires_us or now_us + 1) <= now_us]
        self._cancel(due, "ExpiryCancel")
        closed, books = self._feed.closed, self._feed.books
        for ticker in [t for t, market in self._markets.items() if t in closed or market.book is not books.get(t)]:
            self._close(ticker)

    def _keep(self, order: ShadowOrder) -> None:
        self._orders[order.order_id] = order
        if len(self._orders) > ORDERS_KEPT:
            del self._orders[next(order_id for order_id in self._orders if order_id not in self._resting)]

    # -- what is said ----------------------------------------------------------------------------------------------

    def _answer(self, request: Request, outcome: Outcome) -> None:
        self._deliver(Answer(request, outcome, self._wall_us()))

    def _tell(self, order: ShadowOrder, fills: Sequence[Fill]) -> None:
        for fill in fills:
            self._fills.append(fill)
            self._deliver(fill)
        self._deliver(order.word(self._wall_us()))
        if fills:
            self._deliver(self.account.told(order.ticker, self._wall_us()))
