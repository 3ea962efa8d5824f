"""Shadow trading: the venue's words without a venue, play money to the last 1e-6, and a halt that nobody can outrun."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import traderv3.trading
from tests.trading.shadow_house import BALANCE, ShadowHouse, running, shadow_house
from tests.trading.telling import TICKER
from traderv3.domain.book import Book
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Answer,
    CancelAll,
    Decrease,
    Rejected,
    Unknown,
    Written,
)
from traderv3.domain.market_facts import Fill, MarketLifecycle, MarketPosition, UserOrder
from traderv3.domain.orders import Approved, Change, Order, OrderState, TimeInForce
from traderv3.domain.permission import Mode
from traderv3.domain.units import DOLLAR, Price, Qty
from traderv3.trading import shadow_venue as module


def _amend(order: Order, price: int, rest: int) -> Amend:
    assert order.order_id is not None
    change = Change(client_order_id=order.client_order_id, price=Price(price), count=Qty(rest))
    return Amend(order.order_id, TICKER, order.is_bid, Qty(order.filled + rest), Approved(change, 0))


# -- the live market of `make_feed`: 0.40 / 0.60, ten contracts a side -----------------------------------------------------


async def test_an_order_arrives_a_little_later_and_is_answered_in_the_venues_order(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        create = house.intend(house.draft(True, 6000, 300))
        house.venue.submit([create])
        assert house.heard == []
        assert not house.venue.is_clear()
        await trio.sleep(module.DELAYS_S[1] + 0.001)

        assert [type(item) for item in house.heard] == [Answer, Answer, Fill, UserOrder, MarketPosition]
        assert house.outcomes[0] == Written()
        assert isinstance(house.outcomes[1], Accepted)
        assert house.venue.is_clear()
        assert house.portfolio.position(TICKER) == 300
        assert house.portfolio.cash == BALANCE - 300 * 6000 - 50_400
        await house.check()


async def test_what_is_not_filled_rests_and_is_filled_by_strangers_in_its_turn(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 500))
        assert house.portfolio.order_lines()[0].ahead == 1000
        await house.trade(4000, 1200, is_taker_yes=False)

        assert (order.state, order.filled, order.remaining) == (OrderState.RESTING, 200, 300)
        await house.trade(4000, 1200, is_taker_yes=False)
        assert order.state is OrderState.FILLED
        assert house.portfolio.order_lines()[0].ahead is None
        assert not any(fill.is_taker for fill in house.portfolio.fills.values())
        await house.check()


async def test_a_market_that_moves_through_an_order_fills_it_at_its_price(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 5000, 500))
        await house.change(False, 4900, 200)

        assert (order.filled, order.remaining) == (200, 300)
        assert [fill.yes_price for fill in house.portfolio.fills.values()] == [5000]
        await house.check()


@pytest.mark.parametrize(
    ("tif", "count", "state", "filled"),
    [
        (TimeInForce.IOC, 1500, "cancelled", 1000),
        (TimeInForce.IOC, 700, "filled", 700),
        (TimeInForce.FOK, 1500, "rejected", 0),
        (TimeInForce.FOK, 1000, "filled", 1000),
        (TimeInForce.GTC, 1500, "resting", 1000),
    ],
)
async def test_how_long_an_order_lives(
    autojump_clock: MockClock, tif: TimeInForce, count: int, state: str, filled: int
) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 6000, count, tif))

        assert (order.state, order.filled) == (state, filled)
        await house.check()


async def test_what_was_taken_is_not_there_for_the_next_order(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        await house.order(house.draft(True, 6000, 700, TimeInForce.IOC))
        second = await house.order(house.draft(True, 6000, 700, TimeInForce.IOC))

        assert second.filled == 300
        await house.check()


async def test_what_the_venue_would_refuse_is_refused_in_its_words(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        refused = [
            house.draft(True, 6000, 10, is_post_only=True),
            house.draft(True, 4050, 10),
            house.draft(True, 4000, 100_000),
            house.draft(True, 6000, 10, TimeInForce.IOC, is_reduce_only=True),
        ]
        for draft in refused:
            order = await house.order(draft)
            assert order.state is OrderState.REJECTED
        house.feed.books[TICKER].mark_stale("gap")
        assert (await house.order(house.draft(True, 4000, 10))).state is OrderState.REJECTED
        house.feed.close(TICKER, "over")
        assert (await house.order(house.draft(True, 4000, 10))).state is OrderState.REJECTED

        codes = [outcome.code for outcome in house.outcomes if isinstance(outcome, Rejected)]
        assert codes == [
            "invalid_order",
            "invalid_price",
            "insufficient_balance",
            "invalid_order",
            "shadow_book_not_live",
            "MARKET_INACTIVE",
        ]
        assert house.venue.account.cash == BALANCE


async def test_a_reduce_only_order_closes_and_no_more(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        await house.order(house.draft(True, 6000, 300))
        order = await house.order(house.draft(False, 4000, 900, TimeInForce.IOC, is_reduce_only=True))

        assert (order.filled, house.portfolio.position(TICKER)) == (300, 0)
        await house.check()


# -- changes and cancels -----------------------------------------------------------------------------------------------


async def test_less_keeps_the_place_and_a_new_price_goes_to_the_back(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 5000, 500))
        await house.change(True, 5000, 200)
        assert order.order_id is not None
        house.portfolio.change(order.client_order_id, order.price, Qty(300), house.wall_us())
        await house.submit(Decrease(order.client_order_id, order.order_id, TICKER, Qty(300)))
        assert (order.remaining, order.in_flight) == (300, None)
        await house.trade(5000, 100, is_taker_yes=False)
        assert order.filled == 100
        house.portfolio.change(order.client_order_id, order.price, Qty(400), house.wall_us())
        await house.submit(_amend(order, 5000, 400))
        await house.trade(5000, 150, is_taker_yes=False)

        assert (order.filled, order.remaining) == (100, 400)
        await house.check()


async def test_an_amend_may_trade_and_a_post_only_one_is_cancelled_for_it(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 500))
        house.portfolio.change(order.client_order_id, Price(6000), Qty(500), house.wall_us())
        await house.submit(_amend(order, 6000, 500))
        assert (order.state, order.filled, order.price) == (OrderState.FILLED, 500, 6000)
        polite = await house.order(house.draft(True, 4000, 500, is_post_only=True))
        house.portfolio.change(polite.client_order_id, Price(6000), Qty(500), house.wall_us())
        await house.submit(_amend(polite, 6000, 500))

        assert (polite.state, polite.why) == (OrderState.CANCELLED, "PostOnlyCrossCancel")
        await house.check()


async def test_a_cancel_cancels_and_one_of_nothing_proves_nothing(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 500))
        cancel = house.cancel(order)
        await house.submit(cancel, cancel)

        assert order.state is OrderState.CANCELLED
        assert isinstance(house.outcomes[-1], Unknown)
        await house.check()


async def test_all_orders_are_cancelled_at_once(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        orders = [await house.order(house.draft(True, price, 100)) for price in (3900, 4000)]
        await house.submit(CancelAll("a person said so"))

        assert [order.state for order in orders] == ["cancelled", "cancelled"]
        assert house.venue.open_orders == 0


async def test_an_order_lives_no_longer_than_it_may(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 100, ttl_s=5.0))
        await trio.sleep(4.5)
        assert order.is_open
        await trio.sleep(1)

        assert (order.state, order.why) == (OrderState.CANCELLED, "ExpiryCancel")


async def test_the_orders_of_a_market_that_is_over_are_cancelled(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 100))
        house.feed.close(TICKER, "over")
        await trio.sleep(1)

        assert (order.state, order.why) == (OrderState.CANCELLED, "CloseCancel")


async def test_a_market_that_is_watched_anew_has_another_book(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        order = await house.order(house.draft(True, 4000, 100))
        house.feed.books[TICKER] = Book(TICKER)
        await trio.sleep(1)

        assert order.state is OrderState.CANCELLED


async def test_orders_that_are_over_are_forgotten_and_those_that_rest_are_not(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ORDERS_KEPT", 3)
    async with shadow_house() as house:
        resting = await house.order(house.draft(True, 4000, 100))
        for _ in range(5):
            await house.order(house.draft(True, 6000, 10, TimeInForce.IOC))

        kept = (await house.venue.snapshot(0)).orders
        assert [word.client_order_id for word in kept] == [resting.client_order_id, "v-5", "v-6"]


async def test_a_market_that_is_settled_pays(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        await house.order(house.draft(True, 6000, 300))
        for event_type, value in (("determined", DOLLAR), ("settled", None)):
            fact = MarketLifecycle(
                ticker=TICKER, event_type=event_type, is_combo=False, settlement_value=value, received_us=0
            )
            house.venue.note_life(fact)

        assert house.venue.account.cash == BALANCE - 300 * 6000 - 50_400 + 300 * DOLLAR
        assert house.portfolio.told_positions[TICKER] == 0


# -- a halt --------------------------------------------------------------------------------------------------------------


async def test_a_halt_cancels_at_once_and_nothing_on_its_way_arrives(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        resting = await house.order(house.draft(True, 4000, 100))
        late = house.intend(house.draft(True, 4000, 100))
        house.portfolio.change(resting.client_order_id, Price(4100), Qty(100), house.wall_us())
        house.venue.submit([late, _amend(resting, 4100, 100)])
        house.venue.on_latch(await house.latch.set(Mode.HALTED, by="a person", reason="drill"))
        await wait_all_tasks_blocked()
        assert not resting.is_open
        await trio.sleep(1)

        assert house.portfolio.orders[late.client_order_id].state is OrderState.VOID
        assert house.outcomes[-1] == Written(is_dropped=True, why="trading is halted")
        assert house.venue.open_orders == 0


async def test_a_halt_that_was_there_at_the_start_is_read_before_an_order_arrives(autojump_clock: MockClock) -> None:
    async with shadow_house() as house:
        await house.latch.set(Mode.HALTED, by="a person", reason="drill")  # and nobody told the venue

        assert (await house.order(house.draft(True, 4000, 100))).state is OrderState.VOID


# -- bounds, reads, and no way out -----------------------------------------------------------------------------------------


async def test_more_requests_than_may_be_on_their_way_are_dropped_with_a_word(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REQUESTS_MAX", 2)
    async with shadow_house() as house:
        await house.submit(*(house.intend(house.draft(True, 4000, 100)) for _ in range(3)))

        assert sorted(order.state for order in house.portfolio.orders.values()) == ["resting", "resting", "void"]


async def test_what_waits_outlives_the_actor(autojump_clock: MockClock) -> None:
    house = ShadowHouse()
    create = house.intend(house.draft(True, 4000, 100))
    house.venue.submit([create])
    async with running(house):
        pass
    assert house.heard == []
    async with running(house):
        await trio.sleep(1)

    assert house.portfolio.orders[create.client_order_id].state is OrderState.RESTING


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_its_room_holds_no_socket_no_client_and_no_key() -> None:
    folder = Path(traderv3.trading.__file__).parent
    for path in folder.rglob("*.py"):
        for name in _imports(path):
            assert not name.startswith(
                ("traderv3.clients", "traderv3.protocol", "socket", "ssl", "httpx", "trio_websocket")
            )


# -- whatever happens ------------------------------------------------------------------------------------------------------


async def _live(house: ShadowHouse, rng: random.Random) -> None:
    """Something of ours, or of the market's."""
    book = house.feed.books[TICKER]
    match rng.choice(["create", "create", "cancel", "change", "book", "book", "book", "trade", "wait", "gap"]):
        case "create":
            tif = rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
            draft = house.draft(
                rng.random() < 0.5,
                rng.randint(35, 65) * 100,
                rng.randint(1, 900),
                tif,
                is_post_only=tif is TimeInForce.GTC and rng.random() < 0.3,
                ttl_s=rng.choice([None, 3.0]),
            )
            house.venue.submit([house.intend(draft)])
        case "cancel" | "change" as verb:
            order = _a_quiet_order(house, rng)
            if order is None:
                return
            if verb == "cancel":
                house.venue.submit([house.cancel(order)])
            else:
                price, rest = rng.choice([int(order.price), rng.randint(35, 65) * 100]), rng.randint(1, 900)
                house.portfolio.change(order.client_order_id, Price(price), Qty(rest), house.wall_us())
                house.venue.submit([_amend(order, price, rest)])
        case "book":
            is_bid, price = rng.random() < 0.5, rng.randint(35, 65) * 100
            shown = (book.yes if is_bid else book.no).get(price if is_bid else DOLLAR - price, 0)
            crosses = price + book.best_no >= DOLLAR if is_bid else price <= book.best_yes
            if not crosses or shown:
                await house.change(is_bid, price, rng.choice([-shown, rng.randint(1, 500)]) or 1)
        case "trade":
            await house.trade(rng.randint(35, 65) * 100, rng.randint(1, 1500), is_taker_yes=rng.random() < 0.5)
        case "wait":
            await trio.sleep(rng.choice([0.01, 0.1, 2]))
        case "gap":
            if book.mark_stale("gap"):
                await trio.sleep(0.3)
            book.replace([(4000, rng.randint(1, 900))], [(4000, rng.randint(1, 900))])
            house.venue.look()


def _a_quiet_order(house: ShadowHouse, rng: random.Random) -> Order | None:
    quiet = [
        order
        for order in house.portfolio.open.values()
        if order.state is OrderState.RESTING and order.in_flight is None and order.remaining
    ]
    return rng.choice(quiet) if quiet else None


@given(st.integers(0, 2**32))
def test_a_portfolio_that_only_heard_agrees_with_the_account_to_the_last_millionth(seed: int) -> None:
    async def trade() -> None:
        rng = random.Random(seed)
        async with shadow_house(seed) as house:
            for _ in range(80):
                await _live(house, rng)
                house.venue.check()
            await trio.sleep(1)
            await house.check()

    trio.run(trade, clock=MockClock(autojump_threshold=0))
