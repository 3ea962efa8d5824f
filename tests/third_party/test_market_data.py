"""Unmodified third-party clients read the embedded exchange: their books and trades are ours."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.running import RunningExchange, eventually, running_exchange
from tests.third_party.environments import KALSHI_SDK, ThirdParty
from tests.third_party.foreign import Foreign, driven, levels_of
from tests.third_party.member import operate
from tests.third_party.witness import Witness, levels_held, witnessing
from traderv3.domain.units import parse_price, parse_qty

pytestmark = pytest.mark.process

BUSY = ("--markets-count", "3", "--activity", "10")
STILL = ("--markets-count", "3", "--activity", "0.0001")  # the first action of anybody comes after hours
CHECKPOINTS = 10
MOVES = 100  # between two checkpoints


async def checkpoint(foreign: Foreign, witness: Witness, since: dict[str, int]) -> dict[str, int]:
    """Assert that every book of the client is a state of ours, none older than `since`; where they stand now."""
    reached = {}
    for ticker, levels in (await foreign.books()).items():
        assert levels is not None, ticker

        async def place(ticker: str = ticker, levels: Any = levels) -> int | None:
            found = witness.position(ticker, levels, since[ticker])
            return None if found is None else found + 1

        position = await eventually(place, f"{ticker}: our book was like {foreign.client.package}'s", 5.0)
        assert position is not None
        reached[ticker] = position - 1
    return reached


def is_same_trade(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    return (
        theirs["ticker"] == ours["market_ticker"]
        and parse_price(theirs["price"]) == parse_price(ours["yes_price_dollars"])
        and parse_qty(theirs["count"]) == parse_qty(ours["count_fp"])
        and theirs["taker"] == ours["taker_book_side"]
    )


async def test_its_books_and_trades_are_ours_at_every_checkpoint_of_a_busy_market(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with running_exchange(tmp_path, *BUSY) as exchange:
        venue = exchange.announcement
        async with witnessing(venue, venue["markets"]) as witness, driven(client, interpreter, venue) as foreign:
            await foreign.do("subscribe", tickers=venue["markets"])
            await until_books(foreign, venue["markets"])
            reached = dict.fromkeys(venue["markets"], 0)
            first = await checkpoint(foreign, witness, reached)
            reached = first
            for _ in range(CHECKPOINTS):
                await witness.until_moved(MOVES)
                reached = await checkpoint(foreign, witness, reached)
            trades = (await foreign.do("heard"))["trades"]
            complaints = await foreign.do("complaints")

            async def are_all_heard() -> bool:
                return all(trade["trade_id"] in witness.trades for trade in trades)

            await eventually(are_all_heard, "we hear of every trade that it heard of", 5.0)

    ids = list(witness.trades)
    here = ids[ids.index(trades[0]["trade_id"]) : ids.index(trades[-1]["trade_id"]) + 1]

    assert complaints == []  # no gap, nothing unreadable
    assert sum(reached[ticker] - first[ticker] for ticker in reached) >= CHECKPOINTS * MOVES / 2
    assert [trade["trade_id"] for trade in trades] == here
    assert all(is_same_trade(trade, witness.trades[trade["trade_id"]]) for trade in trades)
    assert witness.counters.gaps == witness.counters.protocol_errors == 0


async def until_books(foreign: Foreign, tickers: list[str]) -> None:
    async def has_all() -> bool:
        held = await foreign.books()
        return set(held) == set(tickers) and None not in held.values()

    await eventually(has_all, f"{foreign.client.package} holds every book")


async def test_in_a_market_that_stands_still_both_its_books_and_its_rest_books_are_ours(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with running_exchange(tmp_path, *STILL) as exchange:
        venue = exchange.announcement
        async with witnessing(venue, venue["markets"]) as witness, driven(client, interpreter, venue) as foreign:
            listed = await foreign.do("markets")
            market = await foreign.do("market", ticker=listed[0])
            await foreign.do("subscribe", tickers=venue["markets"])
            await until_books(foreign, venue["markets"])
            streamed = await foreign.books()
            asked = {ticker: levels_of(await foreign.do("rest_book", ticker=ticker)) for ticker in listed}
            complaints = await foreign.do("complaints")

    ours = {ticker: levels_held(book) for ticker, book in witness.books.items()}

    assert listed == venue["markets"]
    assert market["status"] == "active"
    assert parse_price(market["yes_bid"]) == witness.books[listed[0]].best_yes
    assert streamed == asked == ours
    assert complaints == []


@pytest.mark.parametrize("client", [KALSHI_SDK], indirect=True)  # the other one does not look at `seq`
async def test_it_sees_the_gap_that_a_lost_message_leaves_and_its_repair_brings_our_books_back(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with running_exchange(tmp_path, *BUSY) as exchange:
        venue = exchange.announcement
        async with witnessing(venue, venue["markets"]) as witness, driven(client, interpreter, venue) as foreign:
            await foreign.do("subscribe", tickers=venue["markets"])
            await until_books(foreign, venue["markets"])
            await operate(venue["api_url"], "faults", spec="drop=0.05")

            async def has_resubscribed() -> bool:
                return any("Triggering resync" in said for said in await foreign.do("complaints"))

            await eventually(has_resubscribed, "a gap is noticed")
            await operate(venue["api_url"], "faults", spec="")
            await witness.until_moved(MOVES)
            await witness.until_whole()
            reached = {ticker: len(states) - 1 for ticker, states in witness.states.items()}
            for _ in range(3):
                await witness.until_moved(MOVES)
                await until_books(foreign, venue["markets"])
                reached = await checkpoint(foreign, witness, reached)

    assert all(reached.values())


async def test_everything_else_that_it_can_read_fits_its_models(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with (
        running_exchange(tmp_path, *BUSY) as exchange,
        driven(client, interpreter, exchange.announcement) as foreign,
    ):
        ticker = exchange.announcement["markets"][0]

        async def has_traded() -> Any:
            found = await foreign.do("survey", ticker=ticker)
            return found if found["trades"] else None

        found = await eventually(has_traded, "there was a trade")

    assert found["is_trading"]
    assert found["is_open_on_thursday"]
    assert found["limits"]
    assert ticker.startswith(found["event"])
    assert ticker in found["markets"]
    assert any(ticker.startswith(series) for series in found["series"])


async def test_after_a_restart_of_the_exchange_it_subscribes_again_and_holds_the_new_books(
    client: ThirdParty, interpreter: Path, tmp_path: Path
) -> None:
    async with running_exchange(tmp_path, *BUSY) as first, driven(client, interpreter, first.announcement) as foreign:
        tickers = first.announcement["markets"]
        await foreign.do("subscribe", tickers=tickers)
        await until_books(foreign, tickers)
        before = await foreign.books()
        await first.child.end()
        async with (
            running_exchange(tmp_path, *STILL, "--port", port_of(first)) as second,
            witnessing(second.announcement, tickers) as witness,
        ):
            ours = {ticker: levels_held(book) for ticker, book in witness.books.items()}

            async def are_ours() -> bool:
                return await foreign.books() == ours

            await eventually(are_ours, "its books are the new ones")

    assert before != ours


def port_of(exchange: RunningExchange) -> str:
    return str(urlsplit(exchange.announcement["api_url"]).port)
