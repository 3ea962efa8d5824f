"""Everything that the embedded exchange says on a socket is what the venue's AsyncAPI document promises.

The exchange is driven without a socket: every channel, action and error, participants who trade, recordings played.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conformance.schemas import Unfit, VenueSchemas
from traderv3.exchange import wire
from traderv3.exchange.client_commands import Commands
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.faults import Faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import PublicTrade
from traderv3.exchange.market import Market, made_up, recorded
from traderv3.exchange.playback import Playback
from traderv3.exchange.session import CHANNELS, ClientSession, SessionOptions
from traderv3.protocol.recording import RecordingReader

START_US: Final = 1_790_000_000_000_000
SECOND_US: Final = 1_000_000
A, B, C = (market.ticker for market in made_up(7)[:3])
UNKNOWN: Final = "KXNOSUCH-1"
JUDGED_OF_EACH: Final = 400  # messages of one type and one scenario; more of the same say nothing new

ALL_CODES: Final = {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 14, 15, 19, 20, 21, 22, 26, 28} | {9, 18, 27}


class Judge:
    """A client that has every frame judged. `fitted` counts frames by the schema that they fit."""

    def __init__(self, schemas: VenueSchemas, session: ClientSession) -> None:
        self.session = session
        self.fitted: Counter[str] = Counter()
        self.codes: set[int] = set()
        self._schemas = schemas
        self._commands = Commands(self.session)
        self._ids = itertools.count(1)

    def say(self, cmd: str, **params: Any) -> None:
        self.say_raw(json.dumps({"id": next(self._ids), "cmd": cmd, "params": params}))

    def say_raw(self, data: str | bytes) -> None:
        self._commands.receive(data)
        self.hear()

    def hear(self) -> None:
        for frame in self.session.take():
            assert frame.endswith(b"\n"), "every frame ends with a newline"
            kind = frame[9 : frame.index(b'"', 9)].decode()
            if self.fitted[kind] < JUDGED_OF_EACH:
                self.fitted[self._schemas.check_message(frame)] += 1
            self.fitted[kind] += 1
            if kind == "error":
                self.codes.add(json.loads(frame)["msg"]["code"])


def floor_of(markets: Iterable[Market] | None = None, **more: Any) -> Floor:
    floor = Floor(made_up(7) if markets is None else markets, now_ms=lambda: START_US // 1000, **more)
    for ticker in (A, B, C):
        if ticker in floor.listings:
            floor.replace(floor.listings[ticker], [(4500, 12_000), (4700, 350)], [(5000, 1_000), (5100, 42)], ts_ms=1)
    return floor


def test_every_reply_to_every_command_fits(schemas: VenueSchemas) -> None:
    judge = Judge(schemas, floor_of().open_session())
    judge.say("subscribe", channels=list(CHANNELS), market_tickers=[A], send_initial_snapshot=True)
    judge.say("subscribe", channels=["orderbook_delta", "ticker"], market_tickers=[A, B])  # merged
    for sid, action in itertools.product((1, 2), ("add_markets", "delete_markets", "get_snapshot")):
        judge.say("update_subscription", sid=sid, action=action, market_tickers=[B, C])
        judge.say("update_subscription", sids=[sid], action=action, market_ticker=A)
    judge.say("list_subscriptions")
    judge.say("unsubscribe", sids=list(range(1, len(CHANNELS) + 2)))
    judge.say("subscribe", channels=["orderbook_delta"], market_ticker=A, use_yes_price=True, skip_ticker_ack=True)
    judge.say("update_subscription", sids=[len(CHANNELS) + 1], action="add_markets", market_tickers=[B, C])

    for schema in ("subscribed", "ok", "unsubscribed", "error", "orderbook_snapshot"):
        assert judge.fitted[schema] >= 2, judge.fitted
    assert judge.fitted["listSubscriptionsResponsePayload"] == 1
    assert judge.fitted["orderbookSnapshotPayload"] == judge.fitted["orderbook_snapshot"]


def test_a_ticker_subscription_by_id_is_answered_by_ids(schemas: VenueSchemas) -> None:
    floor = floor_of()
    judge = Judge(schemas, floor.open_session())
    ids = [floor.listings[ticker].market.market_id for ticker in (A, B)]
    judge.say("subscribe", channels=["ticker"], market_ids=ids[:1], send_initial_snapshot=True)
    judge.say("update_subscription", sid=1, action="add_markets", market_ids=ids[1:])

    assert judge.fitted["tickerPayload"] >= 1
    assert judge.fitted["okResponsePayload"] == 1


def test_one_sided_and_empty_books_fit(schemas: VenueSchemas) -> None:
    floor = floor_of()
    floor.replace(floor.listings[B], [(4500, 12_000)], [], ts_ms=2)
    floor.replace(floor.listings[C], [], [], ts_ms=2)
    judge = Judge(schemas, floor.open_session())
    judge.say("subscribe", channels=["orderbook_delta", "ticker"], market_tickers=[A, B, C], send_initial_snapshot=True)

    assert judge.fitted["orderbook_snapshot"] == judge.fitted["ticker"] == 3


UNREADABLE: Final = ["{", "[]", '{"id":-1,"cmd":"subscribe"}', '{"id":1}', '{"id":1,"cmd":"subscribe"}']
BROKEN: Final[list[tuple[str, dict[str, Any]]]] = [
    ("dance", {}),
    ("subscribe", {}),
    ("subscribe", {"channels": ["ticker_v2"]}),
    ("subscribe", {"channels": ["orderbook_delta"]}),
    ("subscribe", {"channels": ["ticker"], "market_tickers": 7}),
    ("subscribe", {"channels": ["orderbook_delta"], "market_tickers": [A, UNKNOWN]}),
    ("subscribe", {"channels": ["communications"], "shard_factor": 0}),
    ("subscribe", {"channels": ["communications"], "shard_key": 1}),
    ("subscribe", {"channels": ["communications"], "shard_factor": 4, "shard_key": 4}),
    ("subscribe", {"channels": ["communications"], "shard_factor": 101}),
    ("unsubscribe", {"market_tickers": [A]}),
    ("unsubscribe", {"sids": [99]}),
    ("update_subscription", {"sids": [1, 2], "action": "add_markets"}),
    ("update_subscription", {"sid": 1}),
    ("update_subscription", {"sid": 1, "action": "polish"}),
    ("update_subscription", {"sid": 1, "action": "add_markets"}),
    ("update_subscription", {"sid": 1, "action": "add_markets", "market_tickers": [UNKNOWN]}),
    ("update_subscription", {"sid": 9, "action": "add_markets", "market_tickers": [A]}),
]


def test_every_error_that_a_client_can_cause_fits(schemas: VenueSchemas) -> None:
    floor = floor_of(options=SessionOptions(markets_per_subscription_max=2, commands_per_s=9))
    judge = Judge(schemas, floor.open_session())
    judge.say("subscribe", channels=["orderbook_delta"], market_tickers=[A])
    for command in UNREADABLE:
        judge.say_raw(command)
    for cmd, params in BROKEN:
        judge.say(cmd, **params)
    judge.say("update_subscription", sid=1, action="add_markets", market_tickers=[B, C])
    for _ in range(20):
        judge.say("update_subscription", sid=1, action="get_snapshot", market_tickers=[A])
    reads_nothing = Judge(schemas, floor.open_session(may_read=False))
    reads_nothing.say("subscribe", channels=["fill"])
    floor.set_faults(Faults(command_timeout=1.0))
    judge.say("unsubscribe", sids=[1])

    assert judge.codes | reads_nothing.codes == ALL_CODES


def test_the_terminal_error_of_a_slow_reader_fits(schemas: VenueSchemas) -> None:
    floor = floor_of(options=SessionOptions(outbox_bytes_max=4_000))
    judge = Judge(schemas, floor.open_session())
    judge.say("subscribe", channels=["orderbook_delta"], market_tickers=[A])
    for size in range(1, 40):
        floor.change(floor.listings[A], True, 4700, size, ts="2026-10-04T15:20:00.789Z", ts_ms=1791127200789)
    judge.hear()

    assert judge.codes == {25}


def test_the_retired_answer_to_an_unknown_ticker_is_the_only_one_that_does_not_fit(schemas: VenueSchemas) -> None:
    judge = Judge(schemas, floor_of(options=SessionOptions(is_unknown_ticker_28=False)).open_session())
    with pytest.raises(Unfit, match="16 is not one of"):
        judge.say("subscribe", channels=["orderbook_delta"], market_tickers=[UNKNOWN])


@pytest.mark.parametrize("use_yes_price", [False, True])
def test_what_participants_cause_in_a_minute_fits(schemas: VenueSchemas, use_yes_price: bool) -> None:
    now_us = START_US
    floor = Floor(made_up(7), now_ms=lambda: now_us // 1000)
    exchange = Exchange(floor, now_us=lambda: now_us, seed=3, activity=4.0)
    judge = Judge(schemas, floor.open_session())
    everything = {"market_tickers": list(floor.listings), "use_yes_price": use_yes_price}
    judge.say("subscribe", channels=["orderbook_delta", "trade", "ticker"], **everything)
    for _ in range(120):
        now_us += SECOND_US // 2
        exchange.step(now_us)
        judge.hear()

    for kind in ("orderbook_delta", "trade", "ticker"):
        assert judge.fitted[kind] > JUDGED_OF_EACH
    assert judge.fitted["orderbook_snapshot"] == len(floor.listings)


@pytest.mark.parametrize(
    "name",
    [
        *("btc15m-20260511T0537", "btc15m-20260514T0438", "btcrange-20260418-frames", "mixed-20260701-session"),
        *("nba-20260307-6mkt", "ufc-20260307-2mkt"),
    ],
)
def test_what_a_played_recording_causes_fits(schemas: VenueSchemas, recordings: Path, name: str) -> None:
    with (recordings / f"{name}.jsonl.zst").open("rb") as file:
        reader = RecordingReader(file, f"{name}.jsonl.zst")
        floor = Floor(recorded(reader.header.markets), now_ms=lambda: START_US // 1000)
        judge = Judge(schemas, floor.open_session())
        judge.say("subscribe", channels=["orderbook_delta", "trade", "ticker"], market_tickers=reader.header.markets)
        playback = Playback(reader, floor, report=lambda _event, _facts: None)
        while not playback.is_finished and judge.fitted["orderbook_delta"] < 3_000:
            playback.step(until_us=None, entries_max=500)
            judge.hear()

    assert judge.fitted["orderbook_delta"] or name.startswith("btcrange")


def test_a_printed_trade_with_a_block_and_a_ticker_of_an_untraded_market_fit(schemas: VenueSchemas) -> None:
    floor = floor_of()
    judge = Judge(schemas, floor.open_session())
    judge.say("subscribe", channels=["trade", "ticker"])
    untraded = list(floor.listings.values())[-1]
    trade = PublicTrade("aaaaaaaa-0000-4000-8000-000000000001", A, 1, 1, True, True, START_US // 1000)
    floor.trade(floor.listings[A], trade)
    floor.ticker(untraded, wire.ticker_message(untraded, START_US // 1000))
    judge.hear()

    assert judge.fitted["trade"] == judge.fitted["ticker"] == 1


def test_injected_garbage_is_the_only_data_that_does_not_fit(schemas: VenueSchemas) -> None:
    floor = floor_of(faults=Faults(garbage=1.0), rng=random.Random(1))
    judge = Judge(schemas, floor.open_session())
    judge.say("subscribe", channels=["orderbook_delta"], market_tickers=[A])
    floor.change(floor.listings[A], True, 4700, 100, ts="2026-10-04T15:20:00.789Z", ts_ms=1791127200789)
    with pytest.raises(Unfit, match="not JSON"):
        judge.hear()
