"""The WebSocket session, whole and without a socket: numbers, merges, answers, every error code, the slow reader."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.listener import NOW_MS, Listener, floor_of, held
from traderv3.exchange import wire
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import PublicTrade
from traderv3.exchange.market import made_up
from traderv3.exchange.session import CHANNELS, SessionOptions

A, B, C = (market.ticker for market in made_up(7)[:3])

KEYS = {
    "subscribed": {"type", "id", "msg", "sending_ts_ms"},
    "ok": {"type", "id", "sid", "seq", "msg", "sending_ts_ms"},
    "unsubscribed": {"type", "id", "sid", "seq", "sending_ts_ms"},
    "error": {"type", "id", "msg", "sending_ts_ms"},
    "orderbook_snapshot": {"type", "sid", "seq", "msg", "sending_ts_ms"},
    "orderbook_delta": {"type", "sid", "seq", "msg", "sending_ts_ms"},
    "trade": {"type", "sid", "seq", "msg", "sending_ts_ms"},
    "ticker": {"type", "sid", "msg", "sending_ts_ms"},
}
BODY_KEYS = {
    "orderbook_snapshot": {"market_ticker", "market_id", "clock", "yes_dollars_fp", "no_dollars_fp"},
    "orderbook_delta": {
        *("market_ticker", "market_id", "clock", "price_dollars", "delta_fp", "side", "ts", "ts_ms"),
    },
    "trade": {
        *("trade_id", "market_ticker", "yes_price_dollars", "no_price_dollars", "count_fp", "taker_side"),
        *("taker_outcome_side", "taker_book_side", "is_block_trade", "ts", "ts_ms"),
    },
    "ticker": {
        *("market_id", "market_ticker", "price_dollars", "yes_bid_dollars", "yes_ask_dollars", "volume_fp"),
        *("open_interest_fp", "dollar_volume", "dollar_open_interest", "yes_bid_size_fp", "yes_ask_size_fp"),
        *("last_trade_size_fp", "ts", "ts_ms", "time"),
    },
}


def filled(floor: Floor) -> Floor:
    for ticker in (A, B, C):
        floor.replace(floor.listings[ticker], [(4500, 12_000), (4700, 350)], [(5000, 1_000), (5100, 4_200)], ts_ms=1)
    return floor


def change(floor: Floor, ticker: str, is_yes: bool, price: int, size: int) -> None:
    listing = floor.listings[ticker]
    listing.tick()
    floor.change(listing, is_yes, price, size, ts="2026-10-04T15:20:00.789Z", ts_ms=1791127200789)


def trade(ticker: str) -> PublicTrade:
    return PublicTrade("aaaaaaaa-0000-4000-8000-000000000001", ticker, 4700, 150, False, False, 1791127200789)


def test_every_message_has_the_members_of_the_venues_examples() -> None:
    floor = filled(floor_of())
    client = Listener(floor)
    client.subscribe(A, channels=("orderbook_delta", "trade", "ticker"))
    change(floor, A, True, 4700, -150)
    floor.trade(floor.listings[A], trade(A))
    floor.ticker(floor.listings[A], wire.ticker_message(floor.listings[A], 1791127200789))
    client.hear()
    client.say("update_subscription", sid=1, action="add_markets", market_tickers=[B])
    client.say("unsubscribe", sids=[2])
    client.say("unsubscribe", sids=[99])

    seen = set()
    for frame in client.heard:
        assert set(frame) == KEYS[frame["type"]], frame
        assert frame["sending_ts_ms"] == NOW_MS
        if frame["type"] in BODY_KEYS:
            assert set(frame["msg"]) == BODY_KEYS[frame["type"]]
        seen.add(frame["type"])
    assert seen == set(KEYS)


def test_a_delta_and_a_snapshot_are_spelled_as_the_venue_spells_them() -> None:
    floor = filled(floor_of())
    client = Listener(floor)
    snapshot = client.subscribe(A)[1]
    change(floor, A, False, 5100, -50)
    delta = client.hear()[0]

    assert snapshot["msg"]["yes_dollars_fp"] == [["0.4500", "120.00"], ["0.4700", "3.50"]]
    assert snapshot["msg"]["no_dollars_fp"] == [["0.5000", "10.00"], ["0.5100", "42.00"]]
    assert delta["msg"]["price_dollars"] == "0.5100"
    assert delta["msg"]["delta_fp"] == "-0.50"
    assert delta["msg"]["ts"] == "2026-10-04T15:20:00.789Z"
    assert delta["msg"]["clock"] > snapshot["msg"]["clock"]


def test_an_empty_side_is_a_missing_key() -> None:
    floor = floor_of()
    floor.replace(floor.listings[A], [(4500, 100)], [], ts_ms=1)
    client = Listener(floor)
    client.subscribe(A, B)

    assert "no_dollars_fp" not in client.heard[1]["msg"]
    assert set(client.heard[2]["msg"]) == {"market_ticker", "market_id", "clock"}


def test_one_subscribed_per_channel_in_order_and_sids_count_from_one() -> None:
    client = Listener(floor_of())
    answers = client.subscribe(A, channels=("ticker", "trade", "fill"))

    assert [answer["msg"] for answer in answers] == [
        {"channel": "ticker", "sid": 1},
        {"channel": "trade", "sid": 2},
        {"channel": "fill", "sid": 3},
    ]
    assert {answer["id"] for answer in answers} == {1}


def test_an_id_of_zero_is_no_id() -> None:
    client = Listener(floor_of())

    assert "id" not in client.say("list_subscriptions", command_id=0)[0]
    assert "id" not in client.say("list_subscriptions", command_id=None)[0]


def test_seq_counts_per_sid_over_all_markets_and_acks_use_one() -> None:
    floor = filled(floor_of())
    client = Listener(floor)  # which checks that every number is the next
    client.subscribe(A, B)
    change(floor, A, True, 4500, 100)
    change(floor, B, True, 4500, 100)
    client.say("update_subscription", sid=1, action="add_markets", market_tickers=[C])
    change(floor, C, False, 5000, 100)
    client.hear()
    client.say("update_subscription", sid=1, action="delete_markets", market_tickers=[A])
    last = client.say("unsubscribe", sids=[1])[0]

    assert last["seq"] == 2 + 2 + 1 + 1 + 1 + 1 + 1
    assert client.books[C] == held(floor, C)


def test_ticker_messages_have_no_seq() -> None:
    floor = floor_of()
    client = Listener(floor)
    client.subscribe(A, channels=("ticker",), send_initial_snapshot=True)

    assert client.heard[1]["type"] == "ticker"
    assert "seq" not in client.heard[1]
    assert "seq" not in client.say("update_subscription", sid=1, action="add_markets", market_tickers=[B])[0]


def test_subscribing_again_merges_and_repeats_no_snapshot() -> None:
    client = Listener(filled(floor_of()))
    client.subscribe(A)
    frames = client.subscribe(A, B)

    assert [frame["type"] for frame in frames] == ["ok", "orderbook_snapshot"]
    assert frames[0]["sid"] == 1
    assert frames[0]["msg"] == {"market_tickers": [A, B]}
    assert frames[1]["msg"]["market_ticker"] == B


def test_get_snapshot_carries_the_commands_id_and_changes_nothing() -> None:
    floor = filled(floor_of())
    client = Listener(floor)
    client.subscribe(A)
    frames = client.say("update_subscription", 8, sids=[1], action="get_snapshot", market_tickers=[A, B])
    change(floor, B, True, 4500, 100)

    assert [(frame["id"], frame["msg"]["market_ticker"]) for frame in frames] == [(8, A), (8, B)]
    assert client.hear() == []


def test_deleted_markets_are_heard_no_more() -> None:
    floor = filled(floor_of())
    client = Listener(floor)
    client.subscribe(A, B)
    ok = client.say("update_subscription", sid=1, action="delete_markets", market_tickers=[A])[0]
    change(floor, A, True, 4500, 100)
    change(floor, B, True, 4500, 100)

    assert ok["msg"] == {"market_tickers": [B]}
    assert [frame["msg"]["market_ticker"] for frame in client.hear()] == [B]


def test_use_yes_price_turns_no_prices_only() -> None:
    floor = filled(floor_of())
    plain, turned = Listener(floor), Listener(floor)
    plain.subscribe(A)
    snapshot = turned.subscribe(A, use_yes_price=True)[1]
    change(floor, A, False, 5100, -50)
    change(floor, A, True, 4500, 50)

    assert snapshot["msg"]["no_dollars_fp"] == [["0.4900", "42.00"], ["0.5000", "10.00"]]
    assert [frame["msg"]["price_dollars"] for frame in turned.hear()] == ["0.4900", "0.4500"]
    assert [frame["msg"]["price_dollars"] for frame in plain.hear()] == ["0.5100", "0.4500"]


def test_clock_is_the_same_for_every_client() -> None:
    floor = filled(floor_of())
    clients = [Listener(floor), Listener(floor)]
    for client in clients:
        client.subscribe(A)
    change(floor, A, True, 4500, 50)

    assert len({client.hear()[0]["msg"]["clock"] for client in clients}) == 1


def test_skip_ticker_ack_leaves_the_list_out() -> None:
    client = Listener(floor_of())
    client.subscribe(A, skip_ticker_ack=True)

    assert client.subscribe(B)[0]["msg"] == {}


def test_a_ticker_subscription_by_id_is_acknowledged_by_id() -> None:
    floor = floor_of()
    ids = [floor.listings[ticker].market.market_id for ticker in (A, B)]
    client = Listener(floor)
    client.say("subscribe", channels=["ticker"], market_ids=ids[:1])

    assert client.say("subscribe", channels=["ticker"], market_id=ids[1])[0]["msg"] == {"market_ids": ids}


def test_trades_reach_those_who_asked_for_the_market_or_for_all() -> None:
    floor = floor_of()
    everything, one, other = Listener(floor), Listener(floor), Listener(floor)
    everything.say("subscribe", channels=["trade"])
    one.subscribe(A, channels=("trade",))
    other.subscribe(B, channels=("trade",))
    floor.trade(floor.listings[A], trade(A))

    assert [frame["msg"]["count_fp"] for frame in everything.hear()] == ["1.50"]
    assert [frame["msg"]["no_price_dollars"] for frame in one.hear()] == ["0.5300"]
    assert other.hear() == []


def test_list_subscriptions_answers_with_an_array() -> None:
    client = Listener(floor_of())
    client.subscribe(A, channels=("orderbook_delta", "trade"))
    client.say("unsubscribe", sids=[1])

    assert client.say("list_subscriptions")[0]["msg"] == [{"channel": "trade", "sid": 2}]


def test_a_sid_is_never_used_twice() -> None:
    client = Listener(floor_of())
    client.subscribe(A)
    client.say("unsubscribe", sids=[1])

    assert client.subscribe(A)[0]["msg"]["sid"] == 2


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("no json", 1),
        ("[]", 1),
        ('{"id": -1, "cmd": "subscribe", "params": {}}', 1),
        ('{"id": "one", "cmd": "subscribe", "params": {}}', 1),
        ('{"id": 1, "cmd": "subscribe"}', 2),
        ('{"id": 1, "cmd": "subscribe", "params": {}}', 3),
        ('{"id": 1, "cmd": "unsubscribe", "params": {"market_tickers": ["T"]}}', 4),
        ('{"id": 1, "cmd": "dance", "params": {}}', 5),
        ('{"id": 1}', 5),
        ('{"id": 1, "cmd": "unsubscribe", "params": {"sids": [9]}}', 7),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 9, "action": "add_markets"}}', 7),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker_v2"]}}', 8),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": "trade"}}', 11),
        ('{"id": 1, "cmd": "subscribe", "params": []}', 11),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["trade"], "market_tickers": "T"}}', 11),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["trade"], "use_yes_price": "yes"}}', 11),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["trade"], "market_ticker": "T", "market_tickers": []}}', 11),
        ('{"id": 1, "cmd": "update_subscription", "params": {"action": "add_markets"}}', 12),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 1, "sids": [1], "action": "add_markets"}}', 12),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sids": [1, 2], "action": "add_markets"}}', 12),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 1, "action": "flip", "market_tickers": ["T"]}}', 13),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 2, "action": "get_snapshot", "market_ticker": "T"}}', 13),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"]}}', 14),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 1, "action": "add_markets"}}', 14),
        ('{"id": 1, "cmd": "update_subscription", "params": {"sid": 1, "market_tickers": ["T"]}}', 15),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["communications"], "shard_factor": 0}}', 19),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["communications"], "shard_key": 0}}', 20),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["communications"], "shard_factor": 2, "shard_key": 2}}', 21),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["communications"], "shard_factor": 101}}', 22),
        ('{"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": "NOPE"}}', 28),
    ],
)  # fmt: skip
def test_each_broken_rule_has_its_code(command: str, code: int) -> None:
    client = Listener(floor_of())
    client.subscribe(A, channels=("orderbook_delta", "trade"))
    answer = client.say_raw(command)[-1]

    assert answer["type"] == "error"
    assert answer["msg"]["code"] == code
    assert answer["msg"]["msg"]


def test_unknown_tickers_are_named_and_nothing_is_subscribed() -> None:
    client = Listener(floor_of())
    answer = client.subscribe(A, "NOPE-1", "NOPE-2")[0]

    assert answer["msg"] == {"code": 28, "msg": "Markets not found", "market_tickers": ["NOPE-1", "NOPE-2"]}
    assert client.say("list_subscriptions")[0]["msg"] == []


def test_an_unknown_ticker_may_be_answered_as_in_summer_2026() -> None:
    client = Listener(floor_of(options=SessionOptions(is_unknown_ticker_28=False)))

    assert client.subscribe("NOPE")[0]["msg"]["code"] == 16


def test_an_error_about_a_subscription_names_it_and_uses_a_number() -> None:
    client = Listener(floor_of())
    client.subscribe(A, channels=("orderbook_delta", "ticker"))
    book = client.say("update_subscription", sid=1, action="add_markets", market_tickers=["NOPE"])[0]
    ticker = client.say("update_subscription", sid=2, action="get_snapshot", market_tickers=[A])[0]

    assert (book["sid"], book["seq"]) == (1, 2)
    assert ticker["sid"] == 2
    assert "seq" not in ticker


def test_one_bad_channel_does_not_spoil_the_others() -> None:
    client = Listener(floor_of())
    answers = client.subscribe(A, channels=("trade", "nonsense", "fill"))

    assert [answer["type"] for answer in answers] == ["subscribed", "error", "subscribed"]


def test_a_reader_that_is_too_slow_loses_the_subscription_and_only_that() -> None:
    floor = filled(floor_of(options=SessionOptions(outbox_bytes_max=20_000)))
    slow, quick = Listener(floor), Listener(floor)
    for client in (slow, quick):
        client.subscribe(A)
    for _ in range(500):
        change(floor, A, True, 4500, 100)
        quick.hear()
    queued = slow.session.queued_bytes
    frames = slow.hear()

    assert queued < 20_000 + 500
    assert frames[-1]["msg"] == {"code": 25, "msg": "Subscription buffer overflow"}
    assert (frames[-1]["sid"], slow.session.overflows) == (1, 1)
    assert quick.books[A] == held(floor, A)
    assert slow.subscribe(A)[0]["msg"]["sid"] == 2
    assert slow.books[A] == held(floor, A)


def test_a_connection_that_is_gone_leaves_nothing_behind() -> None:
    floor = floor_of()
    client = Listener(floor)
    client.subscribe(A, channels=tuple(CHANNELS))
    floor.close_session(client.session)
    floor.close_session(client.session)

    assert not floor.sessions
    assert floor.listings[A].readers == ()
    assert set(floor.channel_readers.values()) == {()}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([A, "trade", "orderbook_delta", "get_snapshot"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["sid", "sids", "action", "channels", "market_ticker", "market_tickers", "use_yes_price"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                lambda cmd, params, number: json.dumps({"id": number, "cmd": cmd, "params": params}).encode(),
                st.sampled_from(["subscribe", "unsubscribe", "update_subscription", "list_subscriptions", "x"]),
                json_values,
                json_values,
            ),
        ),
        max_size=6,
    )
)
def test_whatever_is_said_is_answered_and_nothing_else_happens(commands: list[bytes]) -> None:
    client = Listener(filled(floor_of()))
    for command in commands:
        assert client.say_raw(command)
