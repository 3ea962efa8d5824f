"""Unmodified third-party clients trade on the embedded exchange: orders, fills and the portfolio are what the exchange says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.running import eventually, running_exchange
from tests.third_party.environments import ThirdParty
from tests.third_party.foreign import Foreign, Refused, driven
from tests.third_party.member import Counterpart, admission, operate, trading
from tests.third_party.witness import Witness, levels_held, witnessing
from traderv3.domain.units import CONTRACT, DOLLAR, format_price, format_qty, parse_money, parse_price, parse_qty

pytestmark = pytest.mark.process

STILL = ("--markets-count", "6", "--activity", "0.0001", "--balance", "1000000")  # nobody acts but we
BALANCE = parse_money("1000000")
CENT = DOLLAR // 100
SLIVER = 1  # the smallest count: it meets one order, whoever rests there
GTC = {"time_in_force": "good_till_canceled"}
IOC = {"time_in_force": "immediate_or_cancel"}


@dataclass
class Floor:
    """A still exchange with the foreign client, a second member, and our own eyes on it."""

    foreign: Foreign
    other: Counterpart
    witness: Witness
    api_url: str
    ticker: str  # of the market that we trade in, its grid is whole cents

    @property
    def best_bid(self) -> int:
        return self.witness.books[self.ticker].best_yes

    @property
    def best_ask(self) -> int:
        return DOLLAR - self.witness.books[self.ticker].best_no

    @property
    def between(self) -> int:
        """The price above the best bid."""
        assert self.best_bid + CENT < self.best_ask
        return self.best_bid + CENT

    async def make_room(self) -> None:
        """Have the other member take the best ask away, so that a price is free between bid and ask."""
        book = self.witness.books[self.ticker]
        size = book.no[book.best_no]
        taken = await self.other.take(self.ticker, "bid", format_price(self.best_ask), format_qty(size))
        assert parse_qty(taken) == size

    def size_at(self, price: int) -> int:
        """What is bid for YES there, as we hold it."""
        return self.witness.books[self.ticker].yes.get(price, 0)

    async def place(self, side: str, price: int, count: int, **more: Any) -> dict[str, Any]:
        terms = {"price": format_price(price), "count": format_qty(count)}
        made: dict[str, Any] = await self.foreign.do("place", ticker=self.ticker, side=side, **terms, **more)
        return made

    async def agree(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until `is_so` in our book and the client's books are ours."""

        async def do_agree() -> bool:
            ours = {ticker: levels_held(book) for ticker, book in self.witness.books.items()}
            return is_so() and await self.foreign.books() == ours

        await eventually(do_agree, f"{what}, and {self.foreign.client.package} sees it", 5.0)

    async def until(self, verb: str, is_so: Callable[[Any], bool], **arguments: Any) -> Any:
        """The first answer to a question for which `is_so` holds: the venue's reads may lag."""

        async def ask() -> tuple[Any] | None:
            found = await self.foreign.do(verb, **arguments)
            return (found,) if is_so(found) else None

        found = await eventually(ask, f"{verb} {arguments}", 5.0)
        assert found is not None
        return found[0]


@asynccontextmanager
async def opened(client: ThirdParty, interpreter: Path, directory: Path) -> AsyncIterator[Floor]:
    key = ed25519.Ed25519PrivateKey.generate()
    async with running_exchange(directory, *STILL, *admission(key, directory)) as exchange:
        venue = exchange.announcement
        tickers = venue["markets"]
        async with (
            witnessing(venue, tickers) as witness,
            trading(key, venue["api_url"]) as other,
            driven(client, interpreter, venue) as foreign,
        ):
            in_cents = [t for t, book in witness.books.items() if not any(p % CENT for p in (*book.yes, *book.no))]
            floor = Floor(foreign, other, witness, venue["api_url"], in_cents[0])
            await foreign.do("subscribe", tickers=tickers, is_private=True)
            await floor.make_room()
            await floor.agree(lambda: floor.best_bid + CENT < floor.best_ask, "there is room")
            yield floor
            assert await foreign.do("complaints") == []


async def test_an_order_is_placed_amended_decreased_and_cancelled_and_the_book_shows_each_step(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        price, lower = floor.between, floor.between - CENT
        before = floor.size_at(lower)
        made = await floor.place("bid", price, 3 * CONTRACT, client_order_id="one", **GTC)
        order_id = made["order_id"]
        await floor.agree(lambda: floor.size_at(price) == 3 * CONTRACT, "the order rests")
        resting = await floor.until("orders", lambda found: len(found) == 1, status="resting")
        ahead = await floor.foreign.do("queue_position", order_id=order_id)

        where = {"ticker": floor.ticker, "side": "bid"}
        await floor.foreign.do("amend", order_id=order_id, **where, price=format_price(lower), count="5.50")
        await floor.agree(lambda: floor.size_at(lower) == before + 550, "the order moved and grew")
        left = await floor.foreign.do("decrease", order_id=order_id, by="1.25")
        await floor.agree(lambda: floor.size_at(lower) == before + 425, "the order shrank")
        await floor.foreign.do("cancel", order_id=order_id)
        await floor.agree(lambda: floor.size_at(lower) == before, "the order is gone")
        gone = await floor.until("order", lambda found: found["status"] == "canceled", order_id=order_id)
        told = await floor.until(
            "heard", lambda heard: heard["orders"][-1:] and heard["orders"][-1]["status"] != "resting"
        )
        with pytest.raises(Refused) as again:
            await floor.foreign.do("cancel", order_id=order_id)

    assert (parse_qty(made["filled"]), parse_qty(made["remaining"])) == (0, 3 * CONTRACT)
    assert [order["order_id"] for order in resting] == [order_id]
    assert resting[0]["client_order_id"] == "one"
    assert resting[0]["side"] == "bid"
    assert parse_price(resting[0]["price"]) == price
    assert parse_qty(ahead) == 0
    assert parse_qty(left) == 425
    assert parse_qty(gone["remaining"]) == 0
    assert [parse_qty(order["remaining"]) for order in told["orders"]] == [300, 550, 425, 0]
    assert {order["order_id"] for order in told["orders"]} == {order_id}
    assert again.value.status == 404


async def test_fills_as_maker_and_as_taker_reach_its_stream_its_history_its_position_and_its_balance(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        price = floor.between
        made = await floor.place("bid", price, 2 * CONTRACT, client_order_id="maker", **GTC)
        await floor.agree(lambda: floor.size_at(price) == 2 * CONTRACT, "the order rests")
        taken = await floor.other.take(floor.ticker, "ask", format_price(price), "1.50")
        await floor.agree(lambda: floor.size_at(price) == 50, "a part of it is traded")
        bought = await floor.place("bid", floor.best_ask, SLIVER, client_order_id="taker", **IOC)
        told = await floor.until("heard", lambda heard: len(heard["fills"]) == 2 and len(heard["positions"]) == 2)
        fills = await floor.until("fills", lambda found: len(found) == 2)
        positions = await floor.until("positions", lambda found: found and parse_qty(found[0]["position"]) == 151)
        order = await floor.until("order", lambda found: parse_qty(found["filled"]) == 150, order_id=made["order_id"])
        theirs = await floor.other.fills()
        await floor.foreign.do("cancel", order_id=made["order_id"])  # what rests holds money, its fee included
        await floor.until("order", lambda found: found["status"] == "canceled", order_id=made["order_id"])
        ended = await floor.foreign.do("balance")

    by_trade = {fill["trade_id"]: units_of(fill) for fill in fills}
    as_maker, as_taker = (units_of(fill) for fill in told["fills"])

    assert parse_qty(taken) == 150
    assert parse_qty(bought["filled"]) == SLIVER
    assert by_trade == {fill["trade_id"]: units_of(fill) for fill in told["fills"]}
    assert (as_maker["count"], as_maker["is_taker"], as_maker["price"]) == (150, False, price)
    assert (as_taker["count"], as_taker["is_taker"], as_taker["side"]) == (SLIVER, True, "bid")
    assert as_taker["fee"] > 0
    public = {trade_id: floor.witness.trades[trade_id] for trade_id in by_trade}
    assert {trade_id: parse_price(trade["yes_price_dollars"]) for trade_id, trade in public.items()} == {
        trade_id: fill["price"] for trade_id, fill in by_trade.items()
    }
    assert {trade_id: parse_qty(trade["count_fp"]) for trade_id, trade in public.items()} == {
        trade_id: fill["count"] for trade_id, fill in by_trade.items()
    }
    assert [fill["trade_id"] for fill in theirs if fill["book_side"] == "ask"] == [as_maker["trade_id"]]
    assert [parse_qty(told_["position"]) for told_ in told["positions"]] == [150, 151]
    assert parse_money(positions[0]["fees"]) == as_maker["fee"] + as_taker["fee"]
    assert order["status"] == "resting"
    spent = sum(fill["price"] * fill["count"] + fill["fee"] for fill in by_trade.values())
    assert ended["cents"] == (BALANCE - spent) // 10_000  # cut off, not rounded
    assert ended["dollars"] is None or parse_money(ended["dollars"]) == BALANCE - spent


def units_of(fill: dict[str, Any]) -> dict[str, Any]:
    """A fill with its numbers as integers."""
    return fill | {
        "price": parse_price(fill["price"]),
        "count": parse_qty(fill["count"]),
        "fee": parse_money(fill["fee"]),
    }


async def test_a_settled_position_reaches_its_stream_its_settlements_and_its_balance(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        price = floor.between
        await floor.place("bid", price, 2 * CONTRACT, client_order_id="kept", **GTC)
        await floor.agree(lambda: floor.size_at(price) == 2 * CONTRACT, "the order rests")
        await floor.other.take(floor.ticker, "ask", format_price(price), "2.00")
        bought = await floor.until("balance", lambda found: found["cents"] < BALANCE // 10_000)
        await operate(floor.api_url, f"markets/{floor.ticker}/determine", result="yes")
        await operate(floor.api_url, f"markets/{floor.ticker}/settle")
        settled = await floor.until("settlements", lambda found: len(found) == 1)
        paid = await floor.until("balance", lambda found: found["cents"] != bought["cents"])
        told = await floor.until("heard", lambda heard: any(each["event"] == "settled" for each in heard["lifecycle"]))
        market = await floor.foreign.do("market", ticker=floor.ticker)

    assert settled == [{"ticker": floor.ticker, "result": "yes", "cents": 200}]
    assert paid["cents"] == bought["cents"] + 200
    assert {each["ticker"] for each in told["lifecycle"]} == {floor.ticker}
    assert [each["event"] for each in told["lifecycle"]][-2:] == ["determined", "settled"]
    assert market["status"] == "finalized"


async def test_a_triggered_order_group_takes_its_orders_away(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        price = floor.between
        group_id = await floor.foreign.do("create_group", limit=10)
        made = await floor.place("bid", price, 3 * CONTRACT, client_order_id="in", order_group_id=group_id, **GTC)
        await floor.agree(lambda: floor.size_at(price) == 3 * CONTRACT, "the order rests")
        group = await floor.until("group", lambda found: found["orders"], group_id=group_id)
        await floor.foreign.do("limit_group", group_id=group_id, limit=5)
        await floor.foreign.do("trigger_group", group_id=group_id)
        await floor.agree(lambda: floor.size_at(price) == 0, "the order is gone")
        await floor.until("order", lambda found: found["status"] == "canceled", order_id=made["order_id"])
        with pytest.raises(Refused):
            await floor.place("bid", price, CONTRACT, client_order_id="early", order_group_id=group_id, **GTC)
        await floor.foreign.do("reset_group", group_id=group_id)
        again = await floor.place("bid", price, CONTRACT, client_order_id="late", order_group_id=group_id, **GTC)
        told = await floor.until("heard", lambda heard: len(heard["groups"]) == 4)

    assert group["orders"] == [made["order_id"]]
    assert group["is_listed"]
    assert parse_qty(again["remaining"]) == CONTRACT
    assert [each["event"] for each in told["groups"]] == ["created", "limit_updated", "triggered", "reset"]


async def test_batches_are_placed_and_cancelled_item_by_item(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        low = [floor.best_bid // CENT * CENT - CENT * step for step in (1, 2, 3)]
        before = {price: floor.size_at(price) for price in low}
        batch = [
            {"ticker": floor.ticker, "side": "bid", "price": format_price(price), "count": "7.00"}
            | {"client_order_id": f"batch-{price}", **GTC}
            for price in low
        ]
        made = await floor.foreign.do("place_batch", batch=batch)
        await floor.agree(lambda: all(floor.size_at(p) == before[p] + 700 for p in low), "all rest")
        resting = await floor.until("orders", lambda found: len(found) == 3, status="resting")
        gone = await floor.foreign.do("cancel_batch", order_ids=made)
        await floor.agree(lambda: all(floor.size_at(p) == before[p] for p in low), "all are gone")

    assert {order["order_id"] for order in resting} == set(made)
    assert gone == 3


async def test_an_order_that_may_not_rest_and_finds_nobody_is_cancelled(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        made = await floor.place("bid", floor.best_bid, CONTRACT, client_order_id="nobody", **IOC)
        order = await floor.until("order", lambda found: found["status"] != "resting", order_id=made["order_id"])

    assert (parse_qty(made["filled"]), parse_qty(made["remaining"])) == (0, 0)
    assert (order["status"], parse_qty(order["filled"])) == ("canceled", 0)


async def test_what_the_exchange_refuses_arrives_as_the_clients_own_error(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with opened(client, interpreter, tmp_path) as floor:
        await floor.place("bid", floor.between, CONTRACT, client_order_id="used", **GTC)
        await floor.agree(lambda: floor.size_at(floor.best_bid) == CONTRACT, "the order rests")
        refusals = {}
        wrong: dict[str, dict[str, Any]] = {
            "used twice": {"price": floor.best_bid, "client_order_id": "used", **GTC},
            "post-only crosses": {"price": floor.best_ask, "client_order_id": "a", "post_only": True, **GTC},
            "cannot fill": {"price": floor.best_bid, "client_order_id": "b", "time_in_force": "fill_or_kill"},
        }
        for name, order in wrong.items():
            with pytest.raises(Refused) as no:
                await floor.place("bid", count=CONTRACT, **order)
            refusals[name] = no.value.status
        with pytest.raises(Refused) as unknown:
            await floor.foreign.do("order", order_id="00000000-0000-4000-8000-000000000000")

    assert refusals == {"used twice": 409, "post-only crosses": 400, "cannot fill": 409}
    assert unknown.value.status == 404
