"""Synthetic participants: the same for the same seed, and within wide bands of what was recorded from the venue."""

import itertools
import random
from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.exchange.house import OTHER, TICKER, House, market
from tests.exchange.listener import Listener, floor_of
from traderv3.domain.orders import TimeInForce
from traderv3.domain.units import DOLLAR
from traderv3.exchange.desk import Desk
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import Listing
from traderv3.exchange.market import made_up
from traderv3.exchange.participants import Participants

START_US = 1_790_000_000_000_000 - 1_790_000_000_000_000 % 300_000_000 + 1  # just after a round time
SECONDS = 420


def participants_of(floor: Floor, *, seed: int = 1) -> Participants:
    desk = Desk(floor, now_us=lambda: START_US, rng=random.Random(1))
    return Participants(desk, seed=seed, start_us=START_US)


class WatchedFloor(Floor):
    """Writes down every change: ticker, ms, signed size, whether the level was new or is gone, whether at the best."""

    def __init__(self) -> None:
        super().__init__(made_up(1), now_ms=lambda: 0)
        self.seen: list[tuple[str, int, int, str, bool]] = []
        self.trades = 0

    def change(self, listing: Listing, is_yes: bool, price: int, change: int, **times: Any) -> None:
        book = listing.book
        before = (book.yes if is_yes else book.no).get(price, 0)
        is_at_best = price >= (book.best_yes if is_yes else book.best_no)
        super().change(listing, is_yes, price, change, **times)
        kind = "new" if not before else "gone" if before + change == 0 else "changed"
        self.seen.append((listing.ticker, times["ts_ms"], change, kind, is_at_best))

    def trade(self, listing: Listing, trade: Any) -> None:
        super().trade(listing, trade)
        self.trades += 1


@pytest.fixture(scope="module")
def session() -> tuple[WatchedFloor, Participants]:
    floor = WatchedFloor()
    participants = participants_of(floor)
    for step in range(SECONDS * 20):
        participants.step(START_US + (step + 1) * 50_000)
    return floor, participants


Session = tuple[WatchedFloor, Participants]


def quantile(values: list[int], part: float) -> int:
    return sorted(values)[int(part * (len(values) - 1))]


def rates(floor: WatchedFloor) -> dict[str, list[int]]:
    """Changes in each second, by market."""
    counted: dict[str, Counter[int]] = defaultdict(Counter)
    for ticker, ms, *_ in floor.seen:
        counted[ticker][ms // 1000] += 1
    seconds = range(START_US // 1_000_000, START_US // 1_000_000 + SECONDS)
    return {ticker: [counted[ticker][second] for second in seconds] for ticker in floor.listings}


def test_ordinary_markets_are_ordinary_and_busy_ones_are_busy(session: Session) -> None:
    floor, _ = session
    for ticker, per_second in rates(floor).items():
        mean = sum(per_second) / SECONDS
        if floor.listings[ticker].market.is_busy:
            assert 35 <= mean <= 100
            assert 130 <= quantile(per_second, 0.99) <= 450
        else:
            assert 0.2 <= mean <= 9
            assert 2 <= quantile(per_second, 0.99) <= 120


def test_most_changes_are_to_levels_that_were_there(session: Session) -> None:
    kinds = Counter(kind for *_, kind, _ in session[0].seen)
    total = kinds.total()

    assert 0.86 <= kinds["changed"] / total <= 0.97
    assert 0.015 <= kinds["new"] / total <= 0.07
    assert 0.015 <= kinds["gone"] / total <= 0.07


def test_somewhat_more_than_half_of_the_changes_are_negative(session: Session) -> None:
    seen = session[0].seen

    assert 0.51 <= sum(change < 0 for _, _, change, *_ in seen) / len(seen) <= 0.61
    assert 0.2 <= sum(is_at_best for *_, is_at_best in seen) / len(seen) <= 0.42


def test_sizes_spread_over_four_orders_of_magnitude(session: Session) -> None:
    contracts = [abs(change) // 100 for _, _, change, *_ in session[0].seen]

    assert 2 <= quantile(contracts, 0.1) <= 30
    assert 40 <= quantile(contracts, 0.5) <= 900
    assert 500 <= quantile(contracts, 0.9) <= 23_000
    assert 4_000 <= quantile(contracts, 0.99) <= 40_000


def test_books_are_as_deep_as_recorded_ones(session: Session) -> None:
    books = [listing.book for listing in session[0].listings.values()]
    levels = [len(side) for book in books for side in (book.yes, book.no)]

    assert 4 <= quantile(levels, 0.1) <= 30
    assert 25 <= quantile(levels, 0.5) <= 65
    assert 60 <= quantile(levels, 0.9) <= 130


def test_trades_come_with_one_change_in_ten(session: Session) -> None:
    floor, _ = session

    assert 0.05 <= floor.trades / len(floor.seen) <= 0.16


def test_round_times_bring_several_hundred_changes_in_some_milliseconds(session: Session) -> None:
    in_ten_ms = Counter(ms // 10 for _, ms, *_ in session[0].seen)

    assert 250 <= max(in_ten_ms.values()) <= 1_200
    assert Counter(ms for _, ms, *_ in session[0].seen).most_common(1)[0][1] >= 30


def test_engine_and_public_book_agree_and_no_book_is_crossed(session: Session) -> None:
    for crowd in session[1].crowds:
        crowd.engine.check()
        book = crowd.listing.book
        book.check()
        assert dict(crowd.engine.public_levels(True)) == book.yes
        assert dict(crowd.engine.public_levels(False)) == book.no
        assert not book.is_crossed
        grid = set(crowd.listing.market.ladder())
        assert set(book.yes) <= grid
        assert {DOLLAR - price for price in book.no} <= grid


def test_the_same_seed_tells_the_same_story_to_the_byte() -> None:
    def story(seed: int) -> list[bytes]:
        floor = floor_of(made_up(5))
        client = Listener(floor)
        client.subscribe(*floor.listings, channels=("orderbook_delta", "trade", "ticker"))
        participants = participants_of(floor, seed=seed)
        frames = []
        for step in range(100):
            participants.step(START_US + step * 50_000)
            frames += client.session.take()
        return frames

    assert story(5) == story(5)
    assert story(5) != story(6)


def test_a_book_may_look_crossed_inside_a_run_of_one_time_and_never_after_it() -> None:
    floor = floor_of(made_up(1))
    runs: dict[str, list[tuple[int, int, bool]]] = defaultdict(list)  # by market: ts_ms, clock, crossed after this one
    apply = floor.change

    def watched(listing: Listing, is_yes: bool, price: int, change: int, **stamps: Any) -> None:
        apply(listing, is_yes, price, change, **stamps)
        runs[listing.ticker].append((stamps["ts_ms"], listing.clock, listing.book.is_crossed))

    floor.change = watched  # type: ignore[method-assign]
    participants = participants_of(floor)
    for step in range(60 * 10):
        participants.step(START_US + step * 100_000)

    assert any(crossed for run in runs.values() for *_, crossed in run)
    for run in runs.values():
        for (ts_ms, clock, crossed), (next_ts_ms, next_clock, _) in itertools.pairwise(run):
            assert clock <= next_clock
            assert clock != next_clock or ts_ms == next_ts_ms
            assert not crossed or ts_ms == next_ts_ms
        assert not run[-1][2]


def test_a_process_that_slept_does_not_act_out_the_night() -> None:
    floor = WatchedFloor()
    participants = participants_of(floor)
    participants.step(START_US + 8 * 3600 * 1_000_000)

    assert len(floor.seen) < 2_000


def test_tickers_go_out_at_most_once_a_second_and_market() -> None:
    floor = floor_of(made_up(1))
    client = Listener(floor)
    client.say("subscribe", channels=["ticker"])
    participants = participants_of(floor)
    for step in range(200):
        participants.step(START_US + step * 50_000)
    sent = Counter(frame["msg"]["market_ticker"] for frame in client.hear())

    assert 5 <= max(sent.values()) <= 11


def trading(seconds: float = 5, **more: Any) -> tuple[House, Participants]:
    """Participants in a market of their own, already at it; a member watches."""
    house = House(market(fair=5000, is_busy=True, **more))
    house.open("ann")
    return house, live_on(house, Participants(house.desk, seed=1, start_us=house.at_us), seconds)


def live_on(house: House, participants: Participants, seconds: float) -> Participants:
    for _ in range(round(seconds * 10)):
        house.pass_time(0.1)
        participants.step(house.at_us)
    return participants


def test_participants_fill_members_and_members_fill_participants() -> None:
    house, participants = trading()
    assert house.order("ann", "bid 5 @ 99", tif=TimeInForce.IOC).filled == 500
    best = house.desk.engine(TICKER).best_bid
    record = house.order("ann", f"ask 5 @ {best // 100 + 1}")
    live_on(house, participants, 60)

    assert record.order_id not in house.desk.pit.live
    assert house.position("ann") == 0
    house.desk.check()


def test_participants_leave_members_orders_alone() -> None:
    house, participants = trading()
    for price in range(1, 40):
        house.order("ann", f"bid 0.01 @ {price}")
    live_on(house, participants, 60)

    assert {reason for _, reason in house.reasons("ann")} <= {None, "Trade"}
    house.desk.check()


@pytest.mark.parametrize("stop", ["halt", "pause", "close"])
def test_while_a_market_does_not_trade_its_participants_wait(stop: str) -> None:
    house, participants = trading()
    if stop == "halt":
        house.desk.deactivate(TICKER)
    elif stop == "pause":
        house.desk.pause_trading()
    else:
        house.desk.close(TICKER)
        house.pass_time(2)
    told = len(house.floor.changes)
    live_on(house, participants, 5)

    assert len(house.floor.changes) == told


def test_an_emptied_market_fills_again_when_it_trades() -> None:
    house, participants = trading()
    levels = len(house.book()[0])
    house.desk.deactivate(TICKER)
    house.desk.activate(TICKER)
    assert house.book() == ({}, {})
    live_on(house, participants, 5)

    assert len(house.book()[0]) > levels / 2
    assert house.floor.trades[-1].ts_ms > house.at_us // 1000 - 5_000
    house.desk.check()


def test_on_a_new_grid_participants_stand_on_it() -> None:
    house, participants = trading(structure="deci_cent")
    house.desk.change_structure(TICKER, "linear_cent")
    told = len(house.floor.changes)
    live_on(house, participants, 20)

    assert all(price % 100 == 0 for _, _, price, change, _ in house.floor.changes[told:] if change > 0)


def test_participants_join_a_market_once_it_opens() -> None:
    house, participants = trading()
    participants.join(house.desk.create_market(market(OTHER, open_us=house.at_us + 2_000_000)))
    live_on(house, participants, 1)
    assert house.book(OTHER) == ({}, {})
    live_on(house, participants, 20)

    assert all(len(side) > 10 for side in house.book(OTHER))
    house.desk.check()
