"""The session, rule by rule: the table whole, acks, gaps, bad numbers, crossed books, refusals, time limits."""

import itertools
import json
from collections.abc import Iterable
from typing import Any, Final

import pytest

from tests.protocol.model_venue import Levels, delta, encode, error, ok, snapshot, subscribed, unsubscribed
from traderv3.domain.book import Book, BookState
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError
from traderv3.domain.events import BooksRepaired, FrameProblem, GapDetected, MarketsDropped, MarketsOverLimit
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.session import BookSession, SessionLimits
from traderv3.protocol.subscription import TRANSITIONS, Input, Stream, Subscription

LIVE, STALE, SYNCING = BookState.LIVE, BookState.STALE, BookState.SYNCING
LEVELS: Final[Levels] = {("yes", 4000): 500, ("no", 5000): 300}
LIMITS: Final = SessionLimits()


class Talk:
    """A session and its clock; seconds and microseconds go together."""

    def __init__(self, tickers: Iterable[str] = ("A", "B"), *, chunk: int = 200) -> None:
        self.now_s = 100.0
        self.counters = FeedCounters()
        self.books = {ticker: Book(ticker) for ticker in tickers}
        self.session = BookSession("c", self.books, self.counters, SessionLimits(chunk=chunk))

    def hear(self, *frames: bytes) -> None:
        self.session.receive(frames, at_us=int(self.now_s * 1e6), now_s=self.now_s)

    def says(self) -> list[dict[str, Any]]:
        return [json.loads(command) for command in self.session.commands(at_us=0, now_s=self.now_s)]

    def settle(self) -> None:
        self.session.settle(at_us=int(self.now_s * 1e6), now_s=self.now_s)

    def states(self) -> str:
        """One letter a book, in order: L(ive), S(tale), w(aiting)."""
        return "".join({LIVE: "L", STALE: "S", SYNCING: "w"}[book.state] for book in self.books.values())

    def notices(self, kind: type) -> list[Any]:
        return [notice for notice in self.session.take_notices() if isinstance(notice, kind)]


def live(*tickers: str) -> Talk:
    """A talk in which every market is live; the last number used is their count."""
    talk = Talk(tickers or ("A", "B"))
    command_id = talk.says()[0]["id"]
    talk.hear(subscribed(command_id), *(snapshot(t, seq, LEVELS) for seq, t in enumerate(talk.books, 1)))
    talk.session.take_notices()

    assert set(talk.states()) == {"L"}
    return talk


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(Stream, Input)))
def test_the_table_whole(state: Stream, happened: Input) -> None:
    subscription = Subscription(LIMITS)
    subscription.state = state
    target = TRANSITIONS.get((state, happened))
    if target is None:
        with pytest.raises(AssertionError):
            subscription.step(happened)
    else:
        subscription.step(happened)

    assert subscription.state is (target or state)


def test_every_life_can_end_and_none_goes_on_after_it() -> None:
    assert all((state, Input.ENDED) in TRANSITIONS for state in Stream if state is not Stream.ENDED)
    assert not any(state is Stream.ENDED for state, _ in TRANSITIONS)


def test_every_state_is_reached_from_the_first() -> None:
    reached = {Stream.IDLE}
    for _ in Stream:
        reached |= {target for (state, _), target in TRANSITIONS.items() if state in reached}

    assert reached == set(Stream)


# -- subscribing ---------------------------------------------------------------------------------------------------


def test_commands_hold_no_more_tickers_than_the_limit() -> None:
    talk = Talk([f"T{n}" for n in range(7)], chunk=3)
    first = talk.says()
    talk.hear(subscribed(first[0]["id"]))
    more = talk.says()
    asked = [ticker for command in first + more for ticker in command["params"]["market_tickers"]]

    assert [command["cmd"] for command in first + more] == ["subscribe", "update_subscription", "update_subscription"]
    assert [command["params"].get("action") for command in more] == ["add_markets", "add_markets"]
    assert asked == list(talk.books)
    assert max(len(c["params"]["market_tickers"]) for c in first + more) == 3
    assert talk.says() == []


def test_repairs_hold_no_more_tickers_than_the_limit() -> None:
    talk = Talk([f"T{n}" for n in range(7)], chunk=3)
    talk.hear(subscribed(talk.says()[0]["id"]))
    talk.hear(*(ok(command["id"], seq) for seq, command in enumerate(talk.says(), 1)))
    talk.hear(*(snapshot(t, seq, LEVELS) for seq, t in enumerate(talk.books, 3)))
    talk.hear(encode({"type": "ok", "sid": 1, "seq": 99}))
    asked = [command["params"]["market_tickers"] for command in talk.says()]

    assert [len(tickers) for tickers in asked] == [3, 3, 1]
    assert [t for tickers in asked for t in tickers] == list(talk.books)


def test_a_late_subscribed_loses_nothing() -> None:
    talk = Talk(["A"])
    command_id = talk.says()[0]["id"]
    talk.hear(snapshot("A", 1, {}, sid=4), delta("A", 2, "yes", 4000, 100, sid=4))
    talk.hear(subscribed(command_id, sid=4))
    talk.hear(delta("A", 3, "yes", 4000, 100, sid=4))
    talk.now_s += 60

    assert talk.books["A"].yes == {4000: 200}
    assert talk.counters.gaps == 0
    assert talk.says() == []


def test_a_subscribed_that_never_comes_is_made_up_for_by_the_stream() -> None:
    talk = Talk(["A"])
    talk.says()
    talk.hear(snapshot("A", 1, {}))
    talk.now_s += 60
    quiet = talk.says()
    talk.hear(delta("A", 9, "yes", 4000, 100))

    assert quiet == []
    assert [command["params"]["action"] for command in talk.says()] == ["get_snapshot"]


def test_another_channels_subscribed_is_not_ours() -> None:
    talk = Talk(["A"])
    talk.hear(subscribed(talk.says()[0]["id"], sid=1, channel="trade"))

    assert talk.session.sid is None


def test_a_message_of_another_subscription_changes_nothing() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 100, sid=2), snapshot("A", 2, {}, sid=2))
    talk.hear(delta("A", 2, "yes", 4000, 100))

    assert talk.books["A"].yes == {4000: 600}
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["unknown_sid"] * 2


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ack",
    [
        encode({"type": "ok", "id": 9, "sid": 1, "seq": 3, "msg": {"market_tickers": ["A"]}}),
        encode({"type": "ok", "sid": 1, "seq": 3}),
        encode({"type": "error", "id": 9, "sid": 1, "seq": 3, "msg": {"code": 27, "msg": "x"}}),
        encode({"type": "brand_new", "sid": 1, "seq": 3, "msg": {}}),
        encode({"type": "ok", "sid": 1, "seq": 3, "msg": [1, {"x": None}], "sending_ts_ms": 5, "new": {}}),
    ],
)
def test_whatever_takes_a_number_is_counted(ack: bytes) -> None:
    talk = live()
    talk.hear(ack, delta("A", 4, "yes", 4000, 1))

    assert talk.counters.gaps == 0
    assert talk.states() == "LL"
    assert talk.books["A"].yes == {4000: 501}


@pytest.mark.parametrize(
    "reply",
    [
        encode({"type": "ok", "id": 9, "msg": [{"channel": "orderbook_delta", "sid": 1}]}),
        encode({"type": "ticker", "sid": 2, "msg": {}}),
        encode({"type": "trade", "sid": 2, "seq": 70, "msg": {}}),
        encode({"type": "subscribed", "id": 9, "msg": {"channel": "ticker", "sid": 2}}),
    ],
)
def test_what_takes_no_number_of_ours_is_not_counted(reply: bytes) -> None:
    talk = live()
    talk.hear(reply, delta("A", 3, "yes", 4000, 1))

    assert talk.counters.gaps == 0
    assert talk.states() == "LL"


def test_numbers_count_over_all_markets_of_the_subscription() -> None:
    talk = live()
    talk.hear(delta("A", 3, "yes", 1000, 1), delta("B", 4, "yes", 1000, 1), delta("A", 5, "yes", 1000, 1))

    assert talk.counters.gaps == 0
    assert (talk.books["A"].seq, talk.books["B"].seq) == (5, 4)


def test_a_gap_costs_the_trust_in_every_book_in_the_same_call() -> None:
    talk = live("A", "B", "C")
    talk.hear(delta("A", 5, "yes", 1000, 1))

    assert talk.states() == "SSS"
    assert talk.counters.gaps == 1
    assert talk.books["B"].stale_reason == "sequence gap: expected 4, got 5"
    assert talk.notices(GapDetected) == [GapDetected("c", 1, 4, 5, 3, 100_000_000, "gap", 1)]


def test_each_book_comes_back_with_its_own_snapshot_and_never_by_a_delta() -> None:
    talk = live()
    talk.hear(delta("A", 9, "yes", 1000, 1))
    (command,) = talk.says()
    talk.hear(delta("B", 10, "yes", 1000, 1), snapshot("A", 11, {("no", 1): 7}, command_id=command["id"]))
    half_way = talk.states()
    talk.hear(delta("A", 12, "no", 1, 1), snapshot("B", 13, {}, command_id=command["id"]))

    assert command["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["A", "B"]}
    assert half_way == "LS"
    assert talk.states() == "LL"
    assert talk.books["A"].no == {1: 8}
    assert talk.books["B"].yes == {}
    assert len(talk.notices(BooksRepaired)) == 1
    assert talk.session.state is Stream.STREAMING


def test_a_stale_book_keeps_its_last_levels_and_takes_no_deltas() -> None:
    talk = live("A")
    talk.hear(delta("A", 9, "yes", 4000, 7), delta("A", 10, "yes", 4000, -9000))

    assert talk.books["A"].yes == {4000: 500}
    assert talk.counters.deltas_unused == 2
    assert talk.counters.negative_levels == 0


def test_the_snapshot_that_reveals_a_gap_is_believed() -> None:
    talk = live()
    talk.hear(snapshot("A", 7, {}))

    assert talk.states() == "LS"


def test_a_second_gap_makes_an_asked_for_snapshot_be_asked_for_again() -> None:
    talk = live("A")
    talk.hear(delta("A", 5, "yes", 1000, 1))
    talk.says()
    talk.hear(delta("A", 9, "yes", 1000, 1))
    at_once = talk.says()
    talk.now_s += LIMITS.repair_s

    assert at_once == []
    assert len(talk.says()) == 1


def test_a_message_repeated_at_once_is_a_duplicate() -> None:
    talk = live("A")
    twice = delta("A", 2, "yes", 4000, 100)
    talk.hear(twice, twice)

    assert talk.books["A"].yes == {4000: 600}
    assert (talk.counters.duplicates, talk.counters.gaps) == (1, 0)


def test_one_number_with_two_meanings_is_a_rollback() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 100), delta("A", 2, "yes", 4000, 200))

    assert talk.states() == "S"
    assert (talk.counters.gaps, talk.counters.rollbacks) == (0, 1)
    assert [notice.kind for notice in talk.notices(GapDetected)] == ["rollback"]


def test_a_snapshot_from_the_past_does_not_bring_a_book_to_life() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 100), delta("A", 3, "yes", 4000, 100))
    talk.hear(snapshot("A", 2, LEVELS))

    assert talk.states() == "S"
    talk.hear(delta("A", 4, "yes", 4000, 100))

    assert (talk.counters.gaps, talk.counters.rollbacks) == (0, 1)
    assert [command["params"]["action"] for command in talk.says()] == ["get_snapshot"]


def resubscribed(talk: Talk) -> dict[str, Any]:
    """We end the subscription and the venue confirms it; the command that makes the next one."""
    (leaving,) = talk.says()
    assert leaving["cmd"] == "unsubscribe"
    talk.hear(unsubscribed(leaving["id"], 50, sid=leaving["params"]["sids"][0]))
    (again,) = talk.says()
    assert again["cmd"] == "subscribe"
    return again


def test_a_sequence_that_starts_again_is_subscribed_to_anew_on_the_same_connection() -> None:
    talk = live("A")
    talk.hear(*(delta("A", seq, "yes", 4000, 1) for seq in range(2, 50)))
    talk.hear(snapshot("A", 1, {}))
    when_reset = talk.states()
    again = resubscribed(talk)
    talk.hear(snapshot("A", 2, {}), delta("A", 3, "yes", 4000, 1))  # what still comes of the old one
    while_waiting = talk.states()
    talk.hear(subscribed(again["id"], sid=2), snapshot("A", 1, {("yes", 7): 700}, sid=2))

    assert (when_reset, while_waiting, talk.states()) == ("S", "S", "L")
    assert talk.books["A"].yes == {7: 700}
    assert (talk.counters.gaps, talk.counters.resets) == (0, 1)
    (repaired,) = talk.notices(BooksRepaired)

    assert (repaired.how, repaired.books, repaired.gaps) == ("resubscribe", 1, (1,))
    assert again["params"]["use_yes_price"] is False


def test_numbers_that_go_backwards_again_and_again_are_subscribed_to_anew() -> None:
    talk = live("A")
    talk.hear(*(delta("A", seq, "yes", 4000, 1) for seq in range(2, 50)))
    talk.hear(*(delta("A", seq, "yes", 4000, 7) for seq in range(10, 10 + LIMITS.late_max)))

    assert talk.counters.rollbacks == LIMITS.late_max
    assert talk.session.state is Stream.LEAVING


@pytest.mark.parametrize(
    "unreadable",
    [
        b"",
        b"garbage",
        b"\xff\xfe\x00",
        b'{"type":"\xff"}',
        b'{"type":"ok","msg":' + b"[" * 100_000,
        b'{"type":"ok","msg":"\\ud800"}',
        b'{"type":"ok","seq":' + b"9" * 5000 + b"}",
        b'{"type":"ok","msg":NaN}',
        b'{"type":"orderbook_delta","sid":1,"seq":3,"msg":{}}',
        b'{"type":"orderbook_snapshot","sid":1,"seq":3}',
        b'{"type":"error","sid":1,"seq":3}',
        b'"orderbook_delta"',
    ],
)
def test_what_cannot_be_read_may_have_been_about_any_book(unreadable: bytes) -> None:
    talk = live()
    talk.hear(unreadable)

    assert talk.states() == "SS"
    assert talk.counters.protocol_errors == 1
    assert talk.notices(FrameProblem)[0].kind in {"unreadable_frame", "missing_field"}
    (command,) = talk.says()

    assert command["params"]["market_tickers"] == ["A", "B"]


def test_an_unreadable_frame_with_a_number_is_one_problem_not_two() -> None:
    talk = live("A")
    talk.hear(b'{"type":"orderbook_delta","sid":1,"seq":2,"msg":{}}', snapshot("A", 3, LEVELS))

    assert (talk.counters.protocol_errors, talk.counters.gaps) == (1, 0)
    assert talk.states() == "L"


def test_a_type_that_nobody_knows_is_counted_and_harms_nothing() -> None:
    talk = live()
    talk.hear(encode({"type": "x" * 500, "msg": {}}))

    assert talk.states() == "LL"
    assert talk.counters.unknown_types == 1
    assert len(talk.notices(FrameProblem)[0].detail) < 60


# -- one market's own trouble --------------------------------------------------------------------------------------

BAD_BODIES: Final = {
    "negative level": delta("A", 3, "yes", 4000, -501),
    "price at a dollar": delta("A", 3, "yes", 10_000, 1),
    "price of nothing": delta("A", 3, "yes", 0, 1),
    "price off the grid": encode(
        {
            "type": "orderbook_delta",
            "sid": 1,
            "seq": 3,
            "msg": {"market_ticker": "A", "price_dollars": "0.45001", "delta_fp": "1.00", "side": "yes"},
        }
    ),
    "no number": encode(
        {
            "type": "orderbook_delta",
            "sid": 1,
            "seq": 3,
            "msg": {"market_ticker": "A", "price_dollars": "0.45", "delta_fp": "NaN", "side": "yes"},
        }
    ),
    "snapshot below zero": snapshot("A", 3, {("yes", 10): -1}),
    "snapshot beyond the dollar": snapshot("A", 3, {("yes", 10_000): 1}),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_bad_number_costs_the_trust_in_its_own_market_alone(case: str) -> None:
    talk = live()
    talk.hear(BAD_BODIES[case])
    (command,) = talk.says()

    assert talk.states() == "SL"
    assert command["params"]["market_tickers"] == ["A"]
    assert talk.books["A"].yes == {4000: 500}
    assert talk.counters.gaps == 0
    assert talk.session.state is Stream.STREAMING
    talk.hear(snapshot("A", 4, LEVELS, command_id=command["id"]))

    assert talk.states() == "LL"


def test_a_market_that_is_wrong_again_and_again_is_asked_for_less_and_less_often() -> None:
    talk = live("A", "B")
    waits: list[float] = []
    seq = 2
    for _ in range(9):
        talk.hear(delta("A", seq + 1, "yes", 9000, -1))
        began_s, commands = talk.now_s, talk.says()
        while not commands:
            talk.now_s += 0.25
            commands = talk.says()
        waits.append(talk.now_s - began_s)
        seq += 2
        talk.hear(snapshot("A", seq, LEVELS, command_id=commands[0]["id"]))

    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert talk.states() == "LL"


def test_a_market_that_was_right_for_long_is_asked_for_at_once_again() -> None:
    talk = live("A")
    for seq in (2, 4):
        talk.hear(delta("A", seq, "yes", 9000, -1))
        (command,) = talk.says()
        talk.hear(snapshot("A", seq + 1, LEVELS, command_id=command["id"]))
        talk.now_s += 2 * LIMITS.distrust_s_max + 1

    assert talk.states() == "L"


def test_deltas_of_a_market_that_is_not_ours_are_counted_and_dropped() -> None:
    talk = live("A")
    talk.hear(delta("Z", 2, "yes", 4000, 1), snapshot("Z", 3, {}))

    assert (talk.counters.deltas_unused, talk.counters.gaps) == (1, 0)
    assert list(talk.session.books) == ["A"]


# -- crossed books -------------------------------------------------------------------------------------------------


def test_inside_a_run_of_one_time_a_book_may_look_crossed() -> None:
    talk = live("A")
    talk.hear(
        delta("A", 2, "yes", 6000, 1, ts_ms=10),
        delta("A", 3, "no", 5000, -300, ts_ms=10),
        delta("A", 4, "yes", 6000, 1, ts_ms=11),
    )

    assert talk.states() == "L"
    assert talk.counters.crossed_books == 0


def test_a_book_still_crossed_when_the_next_time_begins_is_wrong() -> None:
    talk = live()
    talk.hear(delta("A", 3, "yes", 6000, 1, ts_ms=10), delta("A", 4, "yes", 1000, 1, ts_ms=11))

    assert talk.states() == "SL"
    assert talk.counters.crossed_books == 1
    assert talk.notices(FrameProblem)[0].kind == "crossed_book"


def test_a_quiet_book_that_stays_crossed_is_judged_without_another_message() -> None:
    talk = live()
    talk.hear(delta("A", 3, "yes", 6000, 1, ts_ms=10))
    talk.now_s += 0.9
    talk.settle()
    before = talk.states()
    talk.now_s += 0.1
    talk.settle()

    assert (before, talk.states()) == ("LL", "SL")


def test_best_prices_that_add_up_to_a_dollar_are_crossed() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 5000, 1, ts_ms=10))
    talk.now_s += 2
    talk.settle()

    assert talk.states() == "S"


def test_a_book_of_one_side_is_never_crossed() -> None:
    talk = live("A")
    talk.hear(snapshot("A", 2, {("yes", 9999): 1}))
    talk.now_s += 3600
    talk.settle()

    assert talk.states() == "L"


def test_half_an_hour_of_silence_changes_nothing() -> None:
    talk = live()
    for _ in range(1800):
        talk.now_s += 1
        talk.settle()

        assert talk.says() == []
    assert talk.states() == "LL"


# -- refusals ------------------------------------------------------------------------------------------------------


def test_unknown_tickers_are_dropped_by_name_and_the_rest_is_tried_again() -> None:
    talk = Talk(["A", "X", "B", "Y"])
    talk.hear(error(28, tickers=["X", "Y"], id=talk.says()[0]["id"]))
    (again,) = talk.says()

    assert again["cmd"] == "subscribe"
    assert again["params"]["market_tickers"] == ["A", "B"]
    assert list(talk.session.books) == ["A", "B"]
    (dropped,) = talk.notices(MarketsDropped)

    assert dropped.tickers == ("X", "Y")
    assert "28" in dropped.reason


def test_one_ticker_named_in_the_old_way_is_dropped_as_well() -> None:
    talk = Talk(["A", "X"])
    command_id = talk.says()[0]["id"]
    talk.hear(encode({"type": "error", "id": command_id, "msg": {"code": 16, "msg": "x", "market_ticker": "X"}}))

    assert talk.says()[0]["params"]["market_tickers"] == ["A"]


def test_an_unknown_ticker_among_added_ones_leaves_the_stream_running() -> None:
    talk = Talk(["A", "B", "X", "C"], chunk=2)
    talk.hear(subscribed(talk.says()[0]["id"]), snapshot("A", 1, LEVELS), snapshot("B", 2, LEVELS))
    talk.hear(error(28, tickers=["X"], id=talk.says()[0]["id"], sid=1, seq=3))
    (again,) = talk.says()
    talk.hear(ok(again["id"], 4), snapshot("C", 5, LEVELS))

    assert again["params"] == {"sids": [1], "action": "add_markets", "market_tickers": ["C"]}
    assert talk.counters.gaps == 0
    assert talk.session.is_whole


def test_a_refused_repair_drops_the_named_market_and_repeats_the_others_at_once() -> None:
    talk = live("A", "B", "C")
    talk.hear(delta("A", 9, "yes", 1, 1))
    (command,) = talk.says()
    talk.hear(error(28, tickers=["B"], id=command["id"]))
    (again,) = talk.says()
    talk.hear(snapshot("A", 10, LEVELS, command_id=again["id"]), snapshot("C", 11, LEVELS, command_id=again["id"]))

    assert again["params"]["market_tickers"] == ["A", "C"]
    assert list(talk.session.books) == ["A", "C"]
    assert talk.states() == "LSL"
    assert talk.session.state is Stream.STREAMING


def test_when_the_last_stale_market_is_dropped_the_rest_counts_as_repaired() -> None:
    talk = live()
    talk.hear(delta("A", 3, "yes", 9000, -1))
    talk.hear(error(28, tickers=["A"], id=talk.says()[0]["id"]))

    assert len(talk.notices(BooksRepaired)) == 1
    assert talk.says() == []


@pytest.mark.parametrize("code", [10, 25])
@pytest.mark.parametrize("envelope", [{}, {"sid": 1}, {"sid": 1, "seq": 3}, {"id": 1, "sid": 1}])
@pytest.mark.parametrize("tickers", [None, ["A"]])
def test_an_error_that_ends_the_subscription_is_subscribed_anew_in_place(
    code: int, envelope: dict[str, int], tickers: list[str] | None
) -> None:
    talk = live()
    talk.hear(error(code, tickers=tickers, **envelope))
    at_once = talk.states()
    (again,) = talk.says()
    talk.hear(delta("A", 4, "yes", 1, 1), subscribed(again["id"], sid=2))
    talk.hear(*(snapshot(t, seq, LEVELS, sid=2) for seq, t in enumerate(talk.books, 1)))

    assert at_once == "SS"
    assert (again["cmd"], again["params"]["market_tickers"]) == ("subscribe", ["A", "B"])
    assert talk.states() == "LL"
    assert talk.notices(BooksRepaired)[0].how == "resubscribe"


def test_a_subscription_that_ends_again_and_again_waits_longer_then_costs_the_connection() -> None:
    talk = live("A")
    waits: list[float] = []
    for sid in range(1, LIMITS.restarts_max + 1):
        talk.hear(error(25, sid=sid))
        began_s, commands = talk.now_s, talk.says()
        while not commands:
            talk.now_s += 0.25
            commands = talk.says()
        waits.append(talk.now_s - began_s)
        talk.hear(subscribed(commands[0]["id"], sid=sid + 1), snapshot("A", 1, LEVELS, sid=sid + 1))
        assert talk.states() == "L"

    assert waits == [0, 1, 2]
    with pytest.raises(RemoteProtocolError, match="again and again"):
        talk.hear(error(25, sid=LIMITS.restarts_max + 1))
    assert talk.states() == "S"
    assert talk.session.state is Stream.ENDED


def test_ends_far_from_each_other_are_each_the_first() -> None:
    talk = live("A")
    for sid in range(1, 8):
        talk.hear(error(10, sid=sid))
        (command,) = talk.says()
        talk.hear(subscribed(command["id"], sid=sid + 1), snapshot("A", 1, LEVELS, sid=sid + 1))
        talk.now_s += LIMITS.restarts_s + 1

    assert talk.states() == "L"


def test_a_subscription_that_the_venue_still_has_is_merged_into_and_read_anew() -> None:
    talk = live("A")
    talk.hear(error(10, sid=1))
    (again,) = talk.says()
    talk.hear(ok(again["id"], 7, ["A"]))
    (asked,) = talk.says()
    talk.hear(snapshot("A", 8, LEVELS, command_id=asked["id"]), delta("A", 9, "yes", 4000, 1))

    assert asked["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["A"]}
    assert talk.states() == "L"
    assert talk.counters.gaps == 0


def test_a_venue_that_knows_no_get_snapshot_is_subscribed_to_anew() -> None:
    talk = live("A")
    talk.hear(delta("A", 9, "yes", 4000, 1))
    talk.hear(error(13, id=talk.says()[0]["id"]))
    again = resubscribed(talk)
    talk.hear(subscribed(again["id"], sid=2), snapshot("A", 1, LEVELS, sid=2))

    assert talk.states() == "L"


def test_a_subscription_id_that_the_venue_does_not_know_is_over() -> None:
    talk = live("A")
    talk.hear(delta("A", 9, "yes", 4000, 1))
    talk.hear(error(7, id=talk.says()[0]["id"]))

    assert [command["cmd"] for command in talk.says()] == ["subscribe"]


def test_an_error_that_ends_another_subscription_is_told_only() -> None:
    talk = live()
    talk.hear(error(25, sid=7))

    assert talk.states() == "LL"
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["venue_error"]


def test_a_refused_command_that_names_nobody_ends_the_connection() -> None:
    talk = Talk()
    with pytest.raises(RemoteProtocolError, match="9"):
        talk.hear(error(9, id=talk.says()[0]["id"]))


def test_an_end_of_the_subscription_that_we_did_not_ask_for_is_subscribed_anew() -> None:
    talk = live()
    talk.hear(unsubscribed(None, 3))

    assert talk.states() == "SS"
    assert [command["cmd"] for command in talk.says()] == ["subscribe"]


def test_the_end_of_another_subscription_is_passed_over() -> None:
    talk = live()
    talk.hear(encode({"type": "unsubscribed", "sid": 2, "seq": 3}), delta("A", 3, "yes", 4000, 1))

    assert talk.states() == "LL"


# -- time limits ---------------------------------------------------------------------------------------------------


def test_a_subscription_that_nobody_answers_gives_the_connection_up() -> None:
    talk = Talk()
    talk.says()
    talk.now_s += LIMITS.answer_s

    assert talk.says() == []
    talk.now_s += 0.1
    with pytest.raises(ConnectivityError, match="not answered"):
        talk.says()


def ask_for(talk: Talk, seconds: float) -> list[list[str]]:
    """Let time pass; which markets a snapshot was asked for, command by command."""
    asked: list[list[str]] = []
    until_s = talk.now_s + seconds
    while talk.now_s < until_s:
        talk.now_s += 0.25
        asked += [command["params"]["market_tickers"] for command in talk.says()]
    return asked


def test_snapshots_that_do_not_come_at_all_are_subscribed_for_anew_then_give_the_connection_up() -> None:
    talk = Talk(["A", "B"])
    talk.hear(subscribed(talk.says()[0]["id"]))
    asked = ask_for(talk, 3 * LIMITS.answer_s - 0.25)

    assert asked == [["A", "B"], ["A", "B"]]
    talk.now_s += 0.25
    talk.hear(subscribed(resubscribed(talk)["id"], sid=2))
    asked = ask_for(talk, 3 * LIMITS.answer_s - 0.25)

    assert asked == [["A", "B"], ["A", "B"]]
    talk.now_s += 0.25
    with pytest.raises(ConnectivityError, match="A: no snapshot after 2 requests"):
        talk.says()


def test_an_end_that_is_not_confirmed_gives_the_connection_up() -> None:
    talk = live("A")
    talk.hear(*(delta("A", seq, "yes", 4000, 1) for seq in (2, 3)), snapshot("A", 1, {}))
    assert [command["cmd"] for command in talk.says()] == ["unsubscribe"]
    talk.now_s += LIMITS.answer_s + 0.1

    with pytest.raises(ConnectivityError, match="not answered"):
        talk.says()


def test_one_market_that_goes_unanswered_does_not_take_the_others_down() -> None:
    talk = Talk(["A", "B"])
    talk.hear(subscribed(talk.says()[0]["id"]), snapshot("A", 1, LEVELS))
    asked = ask_for(talk, 3 * LIMITS.answer_s)

    assert asked == [["B"], ["B"]]
    assert talk.books["A"].state is BookState.LIVE
    assert talk.books["B"].is_unserved
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["no_snapshot"]
    assert ask_for(talk, LIMITS.distrust_s_max - 1) == []
    assert ask_for(talk, 1.5) == [["B"]]
    talk.hear(snapshot("B", 2, LEVELS))
    assert talk.states() == "LL"
    assert not talk.books["B"].is_unserved


def test_a_market_whose_addition_was_not_confirmed_is_not_repaired_by_a_snapshot() -> None:
    """The venue prints books outside the set too: such a book would look live and never move."""
    talk = Talk(["A", "B"], chunk=1)
    talk.hear(subscribed(talk.says()[0]["id"]), snapshot("A", 1, LEVELS))
    talk.says()  # the addition of B
    talk.hear(delta("A", 9, "yes", 1, 1))
    talk.now_s += LIMITS.repair_s

    assert [command["params"]["market_tickers"] for command in talk.says()] == [["A"]]


def test_what_was_never_answered_is_not_remembered_for_ever() -> None:
    talk = live("A")
    seq = 10
    for _ in range(50):
        talk.hear(delta("A", seq, "yes", 1, 1))
        talk.now_s += 1
        talk.says()
        seq += 2
        talk.hear(snapshot("A", seq, LEVELS))  # not in answer to the command, by its lack of an id

    assert len(talk.session._subscription.pending) < 10


def test_a_lost_connection_leaves_nothing_to_believe() -> None:
    talk = live()
    talk.session.lost("cable pulled")

    assert talk.states() == "SS"
    assert talk.books["A"].stale_reason == "cable pulled"


# -- found from outside: what a hostile venue does -------------------------------------------------------------------


def test_a_burst_of_unreadable_frames_does_not_put_the_next_repair_off() -> None:
    talk = live()
    talk.hear(*[b"garbage"] * 200)
    talk.hear(*repaired(talk, 3))
    assert talk.states() == "LL"
    talk.now_s += 1
    talk.hear(delta("A", 9, "yes", 4000, 1))

    assert [c["params"]["action"] for c in talk.says()] == ["get_snapshot"]


def repaired(talk: Talk, seq: int) -> list[bytes]:
    """The venue's answer to the snapshots that are asked for now, numbered from `seq`."""
    (command,) = talk.says()
    tickers = command["params"]["market_tickers"]
    return [snapshot(t, number, LEVELS, command_id=command["id"]) for number, t in enumerate(tickers, seq)]


@pytest.mark.parametrize("ts", [{}, {"ts_ms": 7}, {"ts": "2026-10-04T15:20:00Z"}])
def test_a_book_that_stays_crossed_while_messages_of_one_time_keep_coming_is_wrong(ts: dict[str, Any]) -> None:
    talk = live("A")
    seq = 1
    for _ in range(8):
        talk.now_s += 0.4
        seq += 1
        talk.hear(delta("A", seq, "yes", 6000 + seq, 100, **ts))
        talk.settle()

    assert talk.states() == "S"
    assert talk.counters.crossed_books == 1


def test_without_milliseconds_the_printed_time_tells_where_a_run_ends() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 6000, 100, ts="2026-10-04T15:20:00.1Z"))
    talk.hear(delta("A", 3, "no", 1000, 100, ts="2026-10-04T15:20:00.1Z"))
    assert talk.states() == "L"
    talk.hear(delta("A", 4, "no", 1000, 100, ts="2026-10-04T15:20:00.2Z"))

    assert talk.states() == "S"


def test_too_many_requests_for_snapshots_is_waited_out_on_the_same_connection() -> None:
    talk = live()
    talk.hear(delta("A", 5, "yes", 4000, 1))
    (command,) = talk.says()
    talk.hear(error(27, id=command["id"]))

    assert ask_for(talk, LIMITS.pause_s - 0.5) == []
    assert ask_for(talk, 1.0) == [["A", "B"]]


def test_a_market_that_the_venue_leaves_out_of_the_set_is_dropped_not_believed() -> None:
    talk = Talk(["A", "B", "C"], chunk=2)
    talk.hear(subscribed(talk.says()[0]["id"]), snapshot("A", 1, LEVELS), snapshot("B", 2, LEVELS))
    (command,) = talk.says()
    talk.hear(ok(command["id"], 3, ["A", "B"]))

    (dropped,) = talk.notices(MarketsDropped)
    assert dropped.tickers == ("C",)
    assert ask_for(talk, 30) == []


def test_a_fault_long_after_a_good_repair_is_repaired_at_once() -> None:
    talk = live("A")
    seq = 1
    for _ in range(5):
        seq += 1
        talk.hear(delta("A", seq, "yes", 4000, -100_000))
        seq += 1
        talk.hear(*repaired(talk, seq))
        talk.now_s += LIMITS.calm_s + 1

    assert talk.states() == "L"


def test_a_market_whose_snapshots_are_always_wrong_is_explained() -> None:
    talk = Talk(["A", "B"])
    talk.hear(subscribed(talk.says()[0]["id"]), snapshot("A", 1, LEVELS))
    seq = 1
    for _ in range(3):
        seq += 1
        talk.hear(snapshot("B", seq, {("yes", 10_000): 100}))
        talk.now_s += 1

    assert talk.books["A"].state is BookState.LIVE
    assert talk.books["B"].is_unserved


# -- markets that come and go ----------------------------------------------------------------------------------------


def test_a_market_added_before_the_subscription_is_simply_part_of_it() -> None:
    talk = Talk(["A"])
    talk.session.add({"B": Book("B")})

    assert [command["params"]["market_tickers"] for command in talk.says()] == [["A", "B"]]


def test_a_market_added_to_a_running_stream_gets_its_snapshot_there() -> None:
    talk = live("A")
    book = Book("B")
    talk.session.add({"A": Book("A"), "B": book})
    (command,) = talk.says()
    talk.hear(ok(command["id"], 2, ["A", "B"]), snapshot("B", 3, LEVELS), delta("B", 4, "yes", 4000, 1))

    assert command["params"] == {"sids": [1], "action": "add_markets", "market_tickers": ["B"]}
    assert book.yes == {4000: 501}
    assert talk.session.books["A"] is talk.books["A"]
    assert talk.session.is_whole


def test_a_market_that_is_removed_keeps_its_levels_and_takes_nothing_more() -> None:
    talk = live()
    talk.session.remove(["A"])
    at_once = talk.states()
    talk.hear(delta("A", 3, "yes", 4000, 7))
    (command,) = talk.says()
    talk.hear(ok(command["id"], 4, ["B"]), delta("B", 5, "yes", 4000, 7))

    assert command["params"] == {"sids": [1], "action": "delete_markets", "market_tickers": ["A"]}
    assert (at_once, talk.states()) == ("SL", "SL")
    assert talk.books["A"].yes == {4000: 500}
    assert talk.books["B"].yes == {4000: 507}
    assert talk.counters.gaps == 0


def test_a_market_that_returns_is_added_after_it_went_and_not_revived_by_an_old_answer() -> None:
    talk = live()
    talk.session.distrust("A", "cross-check", at_us=0, now_s=talk.now_s)
    (snapshot_command,) = talk.says()
    talk.session.remove(["A"])
    talk.session.add({"A": talk.books["A"]})
    (delete,) = talk.says()
    talk.hear(snapshot("A", 3, LEVELS, command_id=snapshot_command["id"]))
    while_away = talk.states()
    talk.hear(ok(delete["id"], 4, ["B"]))
    (add,) = talk.says()
    talk.hear(ok(add["id"], 5, ["A", "B"]), snapshot("A", 6, LEVELS))

    assert [c["params"]["action"] for c in (delete, add)] == ["delete_markets", "add_markets"]
    assert (while_away, talk.states()) == ("SL", "LL")


def test_an_answer_from_before_a_market_went_does_not_revive_it_while_it_returns() -> None:
    talk = live()
    talk.session.distrust("A", "cross-check", at_us=0, now_s=talk.now_s)
    (asked,) = talk.says()
    talk.session.remove(["A"])
    talk.hear(ok(talk.says()[0]["id"], 3, ["B"]))
    talk.session.add({"A": talk.books["A"]})
    (add,) = talk.says()
    talk.hear(snapshot("A", 4, LEVELS, command_id=asked["id"]))
    too_early = talk.states()
    talk.hear(snapshot("A", 5, LEVELS, command_id=add["id"]), ok(add["id"], 6, ["A", "B"]))

    assert (too_early, talk.states()) == ("SL", "LL")


def test_a_removal_that_nobody_answers_costs_nothing() -> None:
    talk = live()
    talk.session.remove(["A"])
    talk.says()
    talk.now_s += LIMITS.answer_s + 1

    assert talk.says() == []
    assert talk.books["B"].state is LIVE


def test_an_addition_whose_answer_was_lost_but_whose_snapshot_came_is_answered() -> None:
    talk = live("A")
    talk.session.add({"B": Book("B")})
    talk.says()
    talk.hear(snapshot("B", 3, LEVELS))  # number 2, the `ok`, is lost
    talk.now_s += LIMITS.repair_s
    (command,) = talk.says()
    talk.hear(snapshot("A", 4, LEVELS, command_id=command["id"]))
    talk.now_s += LIMITS.answer_s + 1

    assert talk.says() == []
    assert talk.session.is_whole


def test_a_book_found_wrong_from_outside_is_stale_at_once_and_read_anew() -> None:
    talk = live()
    talk.books["A"].mark_stale("cross-check")  # whoever found it may have said so already
    talk.session.distrust("A", "two levels differ", at_us=5, now_s=talk.now_s)
    talk.session.distrust("nobody", "x", at_us=5, now_s=talk.now_s)
    (command,) = talk.says()
    talk.session.distrust("A", "again", at_us=5, now_s=talk.now_s)

    assert talk.states() == "SL"
    assert command["params"]["market_tickers"] == ["A"]
    assert talk.says() == []
    talk.hear(snapshot("A", 3, LEVELS, command_id=command["id"]))

    assert talk.states() == "LL"
    (repaired,) = talk.notices(BooksRepaired)

    assert (repaired.how, repaired.books, repaired.gaps) == ("snapshot", 1, ())


# -- limits and pauses -------------------------------------------------------------------------------------------------


def test_markets_beyond_the_limit_are_put_aside_told_and_asked_for_later() -> None:
    talk = live("A")
    talk.session.add({"B": Book("B")})
    talk.hear(error(26, id=talk.says()[0]["id"]))
    (told,) = talk.notices(MarketsOverLimit)

    assert (told.connection, told.tickers) == ("c", ("B",))
    assert list(talk.session.books) == ["A"]
    assert talk.states() == "L"
    assert ask_for(talk, LIMITS.absent_s - 1) == []
    assert ask_for(talk, 1.5) == [["B"]]


def test_a_subscription_that_may_not_have_one_market_is_no_matter_of_connections() -> None:
    talk = Talk(["A", "B"])
    for _ in range(3):
        talk.hear(error(26, id=talk.says()[0]["id"]))

    assert talk.notices(MarketsOverLimit) == []
    assert talk.says() == []
    assert list(talk.session.books) == []
    assert ask_for(talk, LIMITS.absent_s + 1) == [["A", "B"]]


def test_a_first_subscription_beyond_the_limit_is_made_smaller() -> None:
    talk = Talk(["A", "B", "C"])
    talk.hear(error(26, id=talk.says()[0]["id"]))
    (again,) = talk.says()
    talk.hear(subscribed(again["id"]), snapshot("A", 1, LEVELS), snapshot("B", 2, LEVELS))
    (rest,) = talk.says()

    assert again["params"]["market_tickers"] == ["A", "B"]
    assert rest["params"]["market_tickers"] == ["C"]


def test_which_market_an_error_is_about_is_found_out_if_it_does_not_say() -> None:
    talk = Talk(["A", "B", "C", "X"])
    asked: list[list[str]] = []
    is_open = False
    for _ in range(20):
        for command in talk.says():
            tickers = command["params"]["market_tickers"]
            asked.append(tickers)
            if "X" in tickers:
                talk.hear(error(16, id=command["id"]))
            elif is_open:
                talk.hear(encode({"type": "ok", "id": command["id"]}))
            else:
                talk.hear(subscribed(command["id"]))
                is_open = True

    assert asked == [["A", "B", "C", "X"], ["A", "B"], ["C", "X"], ["C"], ["X"]]
    assert [notice.tickers for notice in talk.notices(MarketsDropped)] == [("X",)]


@pytest.mark.parametrize("code", [18, 27])
def test_too_many_requests_are_answered_with_ever_longer_silence(code: int) -> None:
    talk = Talk(["A"])
    waits: list[float] = []
    commands = talk.says()
    for _ in range(6):
        talk.hear(error(code, id=commands[0]["id"]))
        began_s, commands = talk.now_s, talk.says()
        while not commands:
            talk.now_s += 0.5
            commands = talk.says()
        waits.append(talk.now_s - began_s)
    talk.hear(subscribed(commands[0]["id"]), snapshot("A", 1, LEVELS))

    assert waits == [5, 10, 20, 40, 60, 60]
    assert talk.states() == "L"


# -- the clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "backwards", [delta("A", 3, "yes", 4000, 1, clock=9), snapshot("A", 3, LEVELS, clock=9)], ids=["delta", "snapshot"]
)
def test_a_clock_that_goes_backwards_costs_the_trust_in_its_market(backwards: bytes) -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 1, clock=10), backwards)
    when_seen = talk.states()
    (command,) = talk.says()
    talk.hear(snapshot("A", 4, LEVELS, clock=5, command_id=command["id"]), delta("A", 5, "yes", 4000, 1, clock=5))

    assert (when_seen, talk.states()) == ("S", "L")
    assert talk.counters.clock_backwards == 1
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["clock_backwards"]


def test_a_lower_clock_on_a_snapshot_that_we_asked_for_is_believed_and_told() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 1, clock=10), delta("A", 9, "yes", 4000, 1, clock=11))
    (command,) = talk.says()
    talk.hear(snapshot("A", 10, LEVELS, clock=2, command_id=command["id"]))

    assert talk.states() == "L"
    assert talk.counters.clock_backwards == 1
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["clock_reset"]


def test_changes_may_share_a_clock_and_older_frames_have_none() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 1, clock=10), delta("A", 3, "no", 5000, 1, clock=10))
    talk.hear(delta("A", 4, "yes", 4000, 1), delta("A", 5, "yes", 4000, 1, clock=10))

    assert talk.states() == "L"


def test_a_new_subscription_may_begin_with_a_lower_clock() -> None:
    talk = live("A")
    talk.hear(delta("A", 2, "yes", 4000, 1, clock=1000), error(10, sid=1))
    (again,) = talk.says()
    talk.hear(subscribed(again["id"], sid=2), snapshot("A", 1, LEVELS, sid=2, clock=3))

    assert talk.states() == "L"
    assert talk.counters.clock_backwards == 0


# -- what is new on the wire -------------------------------------------------------------------------------------------


def test_a_field_that_nobody_knows_is_counted_and_told_once() -> None:
    talk = live("A")
    for seq in range(2, 400):
        body = {"market_ticker": "A", "price_dollars": "0.4000", "delta_fp": "1.00", "side": "yes", "colour": 1}
        talk.hear(encode({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": body, "mood": 2}))

    assert talk.counters.unknown_fields >= 10
    told = [notice.detail for notice in talk.notices(FrameProblem)]
    assert told == ["orderbook_delta.mood", "orderbook_delta.msg.colour"]
    assert talk.states() == "L"


def test_every_field_of_the_venues_own_book_messages_is_known() -> None:
    own = {"client_order_id": "c", "subaccount": 1, "ts": "x", "ts_ms": 1, "market_id": "m", "clock": 1}
    body = {"market_ticker": "A", "price_dollars": "0.4000", "delta_fp": "1.00", "side": "yes", **own}
    talk = Talk(["A"])
    talk.says()
    talk.hear(encode({"type": "orderbook_delta", "sid": 1, "seq": 1, "msg": body, "sending_ts_ms": 5}))

    assert talk.counters.unknown_fields == 0
