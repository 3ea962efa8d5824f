"""The other channels' session: the table whole, replies, losses told, refusals, pauses, and nothing in need of luck."""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.model_venue import encode, error, ok, subscribed, unsubscribed
from tests.protocol.test_channel_facts import BODIES
from traderv3.domain import market_facts as facts
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.events import ChannelGivenUp, FrameProblem, MarketsDropped, StreamGap
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.channel import TURNS, Channel, Life, Turn
from traderv3.protocol.channel_session import ChannelSession
from traderv3.protocol.channel_wire import CHANNELS, UNNUMBERED
from traderv3.protocol.subscription import SessionLimits

LIMITS: Final = SessionLimits(chunk=3)
PRIVATE: Final = ("fill", "user_orders", "market_positions", "order_group_updates")


def told(kind: str, seq: int | None, sid: int = 1, **changed: Any) -> bytes:
    numbered = {} if seq is None else {"seq": seq}
    return encode({"type": kind, "sid": sid, **numbered, "msg": {**BODIES[kind], **changed}})


class Talk:
    """A session and its clock."""

    def __init__(self, wanted: Mapping[str, Iterable[str] | None]) -> None:
        self.now_s = 100.0
        self.counters = FeedCounters()
        self.session = ChannelSession("c", wanted, self.counters, LIMITS)

    def says(self) -> list[dict[str, Any]]:
        return [json.loads(command) for command in self.session.commands(now_s=self.now_s)]

    def hear(self, *frames: bytes) -> list[facts.MarketFact]:
        self.session.receive(frames, at_us=int(self.now_s * 1e6), now_s=self.now_s)
        return self.session.take_facts()

    def wait(self) -> tuple[float, list[dict[str, Any]]]:
        """Let time pass until something is said; how long that took, and what was said."""
        began_s, commands = self.now_s, self.says()
        while not commands and self.now_s < began_s + 300:
            self.now_s += 0.5
            commands = self.says()
        return self.now_s - began_s, commands

    def notices(self, kind: type) -> list[Any]:
        return [notice for notice in self.session.take_notices() if isinstance(notice, kind)]


def live(channel: str = "trade", tickers: Iterable[str] | None = None) -> Talk:
    talk = Talk({channel: tickers})
    (command,) = talk.says()
    talk.hear(subscribed(command["id"], channel=channel))
    assert talk.session.life(channel) is Life.STREAMING
    return talk


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("life", "happened"), list(itertools.product(Life, Turn)))
def test_the_table_whole(life: Life, happened: Turn) -> None:
    channel = Channel("trade", None, LIMITS)
    channel.life = life
    target = TURNS.get((life, happened))
    if target is None:
        with pytest.raises(AssertionError):
            channel.turn(happened)
    else:
        channel.turn(happened)

    assert channel.life is (target or life)


# -- subscribing ---------------------------------------------------------------------------------------------------


def test_each_channel_is_subscribed_to_by_itself_and_for_all_markets_without_a_list() -> None:
    talk = Talk({"trade": None, "market_lifecycle_v2": None, "ticker": ["B", "A"]})
    commands = talk.says()

    assert [command["params"] for command in commands] == [
        {"channels": ["trade"]},
        {"channels": ["market_lifecycle_v2"]},
        {"channels": ["ticker"], "market_tickers": ["A", "B"]},
    ]
    assert talk.says() == []
    assert len({command["id"] for command in commands}) == 3


@pytest.mark.parametrize("channel", sorted({name for names in CHANNELS.values() for name in names}))
def test_every_channel_yields_its_facts(channel: str) -> None:
    talk = live(channel)
    kinds = [kind for kind, names in CHANNELS.items() if channel in names]
    seqs = [None if channel in UNNUMBERED else seq for seq in range(1, len(kinds) + 1)]
    found = talk.hear(*(told(kind, seq) for kind, seq in zip(kinds, seqs, strict=True)))

    assert len(found) == len(kinds)
    assert talk.session.take_notices() == []


def test_more_markets_than_a_command_holds_are_added_one_command_at_a_time() -> None:
    talk = Talk({"trade": [f"T{n}" for n in range(7)]})
    asked: list[list[str]] = []
    seq = 0
    while commands := talk.says():
        (command,) = commands
        asked.append(command["params"]["market_tickers"])
        if command["cmd"] == "subscribe":
            talk.hear(subscribed(command["id"], channel="trade"))
        else:
            seq += 1
            talk.hear(ok(command["id"], seq, [t for tickers in asked for t in tickers]))

    assert asked == [["T0", "T1", "T2"], ["T3", "T4", "T5"], ["T6"]]
    assert talk.session.take_notices() == []


def test_markets_come_and_go() -> None:
    talk = live("trade", ["A", "B"])
    talk.session.set_markets("trade", ["B", "C"])
    (add,) = talk.says()
    talk.hear(ok(add["id"], 1, ["A", "B", "C"]))
    (delete,) = talk.says()
    talk.hear(ok(delete["id"], 2, ["B", "C"]))

    assert [c["params"] for c in (add, delete)] == [
        {"sids": [1], "action": "add_markets", "market_tickers": ["C"]},
        {"sids": [1], "action": "delete_markets", "market_tickers": ["A"]},
    ]
    assert talk.says() == []


@pytest.mark.parametrize(("before", "after"), [(None, ["A"]), (["A"], None)])
def test_from_all_markets_to_some_needs_a_new_subscription(before: list[str] | None, after: list[str] | None) -> None:
    talk = live("trade", before)
    talk.session.set_markets("trade", after)
    (leave,) = talk.says()
    talk.hear(unsubscribed(leave["id"], 1))
    (again,) = talk.says()

    assert (leave["cmd"], again["cmd"]) == ("unsubscribe", "subscribe")
    assert again["params"].get("market_tickers") == after
    assert talk.notices(StreamGap) == []


def test_a_channel_that_nobody_wants_any_more_is_left() -> None:
    talk = live("trade", ["A"])
    talk.session.set_markets("trade", [])
    (leave,) = talk.says()
    talk.hear(unsubscribed(leave["id"], 1))

    assert leave["params"] == {"sids": [1]}
    assert talk.wait()[1] == []


def test_a_subscription_that_nobody_answers_gives_the_connection_up() -> None:
    talk = Talk({"trade": None})
    talk.says()
    talk.now_s += LIMITS.answer_s + 0.1
    with pytest.raises(ConnectivityError, match="trade: the command subscribe was not answered"):
        talk.says()


def test_a_late_acknowledgement_loses_nothing() -> None:
    talk = Talk({"trade": None, "fill": None})
    trade, fill = talk.says()
    found = talk.hear(told("trade", 1, sid=2), told("fill", None, sid=3))
    talk.hear(subscribed(fill["id"], sid=3, channel="fill"), subscribed(trade["id"], sid=2, channel="trade"))
    found += talk.hear(told("trade", 2, sid=2))

    assert len(found) == 3
    assert talk.session.take_notices() == []


def test_a_subscription_merged_into_one_that_exists_goes_on_with_its_numbers() -> None:
    talk = Talk({"trade": None})
    (command,) = talk.says()
    talk.hear(encode({"type": "ok", "id": command["id"], "sid": 4, "seq": 17, "msg": {}}))

    assert len(talk.hear(told("trade", 18, sid=4))) == 1
    assert talk.counters.gaps == 0


# -- numbers -------------------------------------------------------------------------------------------------------


def test_a_gap_is_told_and_the_stream_goes_on() -> None:
    talk = live()
    found = talk.hear(told("trade", 1), told("trade", 4), told("trade", 5))

    assert len(found) == 3
    assert talk.counters.gaps == 1
    (gap,) = talk.notices(StreamGap)

    assert (gap.connection, gap.channel, gap.expected, gap.got) == ("c", "trade", 2, 4)
    assert talk.says() == []


def test_acknowledgements_take_a_number() -> None:
    talk = live("trade", ["A"])
    talk.session.set_markets("trade", ["A", "B"])
    (add,) = talk.says()
    talk.hear(told("trade", 1), ok(add["id"], 2, ["A", "B"]), told("trade", 3))

    assert talk.notices(StreamGap) == []


def test_a_repeated_message_yields_its_fact_once() -> None:
    talk = live()
    twice = told("trade", 1)

    assert len(talk.hear(twice, twice)) == 1
    assert talk.counters.duplicates == 1
    assert talk.notices(StreamGap) == []


def test_a_number_from_the_past_is_told_and_its_message_not_used() -> None:
    talk = live()
    talk.hear(*(told("trade", seq) for seq in range(1, 20)))

    assert talk.hear(told("trade", 7, count_fp="9.00")) == []
    assert talk.counters.rollbacks == 1
    assert len(talk.notices(StreamGap)) == 1


def test_numbers_that_begin_again_are_followed() -> None:
    talk = live()
    talk.hear(told("trade", 1), told("trade", 2))
    found = talk.hear(told("trade", 1), told("trade", 2), told("trade", 3))

    assert len(found) == 3
    assert talk.counters.resets == 1
    assert len(talk.notices(StreamGap)) == 1


def test_numbers_that_cannot_be_followed_are_subscribed_to_anew() -> None:
    talk = live()
    talk.hear(told("trade", 10**18))
    talk.hear(*(told("trade", seq) for seq in range(2, 5)))
    (leave,) = talk.says()
    talk.hear(unsubscribed(leave["id"], 5))
    (again,) = talk.says()
    talk.hear(subscribed(again["id"], sid=2, channel="trade"))

    assert len(talk.hear(told("trade", 1, sid=2))) == 1


def test_private_messages_have_no_numbers_and_are_taken_whatever_their_sid() -> None:
    talk = Talk(dict.fromkeys(PRIVATE))
    for sid, command in enumerate(talk.says(), 1):
        talk.hear(subscribed(command["id"], sid=sid, channel=command["params"]["channels"][0]))

    found = talk.hear(
        told("user_order", None, sid=1), told("fill", None, sid=99), told("order_group_updates", 1, sid=4)
    )

    assert [type(fact) for fact in found] == [facts.UserOrder, facts.Fill, facts.OrderGroupUpdate]


def test_a_numbered_message_of_an_unknown_subscription_is_told_and_not_used() -> None:
    talk = live()

    assert talk.hear(told("trade", 1, sid=9)) == []
    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["unknown_sid"]


# -- what cannot be read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unreadable",
    [
        b'{"type":"trade","sid":1,"seq":1}',
        b'{"type":"trade","sid":1,"seq":1,"msg":{"trade_id":7}}',
        told("trade", 1, count_fp="NaN"),
        told("trade", 1, no_price_dollars="0.1000"),
    ],
)
def test_a_message_that_cannot_be_read_is_a_loss_of_its_channel(unreadable: bytes) -> None:
    talk = live()
    found = talk.hear(unreadable, told("trade", 2))

    assert len(found) == 1
    assert talk.counters.protocol_errors == 1
    notices = talk.session.take_notices()

    assert [type(notice) for notice in notices] == [FrameProblem, StreamGap]
    assert talk.counters.gaps == 0


def test_bytes_without_any_meaning_may_have_been_what_has_no_numbers() -> None:
    talk = Talk({"trade": None, "fill": None})
    for sid, command in enumerate(talk.says(), 1):
        talk.hear(subscribed(command["id"], sid=sid, channel=command["params"]["channels"][0]))
    talk.hear(b"garbage")

    assert [gap.channel for gap in talk.notices(StreamGap)] == ["fill"]


def test_a_type_that_nobody_knows_is_counted_with_its_number() -> None:
    talk = live()
    found = talk.hear(encode({"type": "brand_new", "sid": 1, "seq": 1, "msg": {}}), told("trade", 2))

    assert len(found) == 1
    assert (talk.counters.unknown_types, talk.counters.gaps) == (1, 0)


def test_a_field_that_nobody_knows_is_counted_and_told_once() -> None:
    talk = live("fill")
    talk.hear(*[told("fill", None, colour="red")] * 5)

    assert talk.counters.unknown_fields == 5
    assert [notice.detail for notice in talk.notices(FrameProblem)] == ["fill.msg.colour"]


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [8, 9])
def test_a_channel_that_is_not_for_us_is_given_up_and_the_others_go_on(code: int) -> None:
    talk = Talk({"trade": None, "fill": None})
    trade, fill = talk.says()
    talk.hear(error(code, id=fill["id"]), subscribed(trade["id"], channel="trade"))

    assert [given.channel for given in talk.notices(ChannelGivenUp)] == ["fill"]
    assert talk.wait()[1] == []
    assert len(talk.hear(told("trade", 1))) == 1
    assert talk.hear(told("fill", None)) == []


@pytest.mark.parametrize("code", [18, 26, 27, 11])
def test_a_refused_command_is_repeated_after_an_ever_longer_pause(code: int) -> None:
    talk = Talk({"trade": None})
    waits: list[float] = []
    (command,) = talk.says()
    for _ in range(6):
        talk.hear(error(code, id=command["id"]))
        waited_s, (command,) = talk.wait()
        waits.append(waited_s)

    assert waits == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("after", "action", "changed"), [(["A", "B", "C"], "add_markets", "C"), (["A"], "delete_markets", "B")]
)
def test_a_change_that_was_refused_is_asked_for_again(after: list[str], action: str, changed: str) -> None:
    talk = live("trade", ["A", "B"])
    talk.session.set_markets("trade", after)
    (refused,) = talk.says()
    talk.hear(error(27, id=refused["id"]))
    waited_s, (again,) = talk.wait()
    talk.hear(ok(again["id"], 1, after))

    assert waited_s == LIMITS.pause_s
    assert refused["params"] == again["params"] == {"sids": [1], "action": action, "market_tickers": [changed]}
    assert talk.wait()[1] == []


@pytest.mark.parametrize("code", [10, 25])
@pytest.mark.parametrize("envelope", [{"sid": 1}, {"sid": 1, "seq": 1}, {}])
def test_a_subscription_that_ended_is_a_loss_and_made_anew(code: int, envelope: dict[str, Any]) -> None:
    talk = live()
    talk.hear(error(code, **envelope))
    waited_s, (again,) = talk.wait()
    talk.hear(told("trade", 7), subscribed(again["id"], sid=2, channel="trade"))

    assert (waited_s, again["cmd"]) == (0, "subscribe")
    assert len(talk.notices(StreamGap)) == 1
    assert len(talk.hear(told("trade", 1, sid=2))) == 1


def test_a_subscription_that_ends_again_and_again_waits_ever_longer() -> None:
    talk = live()
    waits: list[float] = []
    for sid in range(1, 12):
        talk.hear(error(25, sid=sid))
        waited_s, (again,) = talk.wait()
        waits.append(waited_s)
        talk.hear(subscribed(again["id"], sid=sid + 1, channel="trade"))
    talk.now_s += LIMITS.restarts_s
    talk.hear(error(25, sid=12))

    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert talk.wait()[0] == 0


def test_markets_that_an_error_names_are_dropped_and_the_rest_is_asked_for_at_once() -> None:
    talk = Talk({"trade": ["A", "X"]})
    (command,) = talk.says()
    talk.hear(error(28, tickers=["X"], id=command["id"]))

    assert [dropped.tickers for dropped in talk.notices(MarketsDropped)] == [("X",)]
    assert talk.says()[0]["params"]["market_tickers"] == ["A"]


def test_an_error_that_answers_nothing_of_ours_is_told_only() -> None:
    talk = live()
    talk.hear(error(13, sid=3), error(27), error(5, id=77))

    assert [notice.kind for notice in talk.notices(FrameProblem)] == ["venue_error"] * 3
    assert talk.session.life("trade") is Life.STREAMING


# -- properties ----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["deliver", "deliver", "deliver", "drop", "twice", "swap", "garble"]), max_size=40))
def test_every_trade_is_told_once_and_whatever_is_lost_is_said(fates: list[str]) -> None:
    talk = live()
    line: list[tuple[int, bytes]] = []
    lost: list[int] = []
    for seq, fate in enumerate(fates, 1):
        frame = told("trade", seq, trade_id=str(seq))
        match fate:
            case "drop":
                lost.append(seq)
            case "twice":
                line += [(seq, frame), (seq, frame)]
            case "garble":
                line.append((seq, b'{"type":"trade","sid":1}'))
                lost.append(seq)
            case "swap" if line:
                line.insert(-1, (seq, frame))
                lost.append(line[-1][0])
            case _:
                line.append((seq, frame))
    line.append((len(fates) + 1, told("trade", len(fates) + 1, trade_id="last")))
    found = [fact for _, frame in line for fact in talk.hear(frame)]
    ids = [fact.trade_id for fact in found if isinstance(fact, facts.Trade)]

    assert len(ids) == len(set(ids)) or talk.counters.resets  # numbers that begin again may bring what was told before
    missing = {str(seq) for seq in range(1, len(fates) + 1)} - set(ids)
    assert missing <= {str(seq) for seq in lost}
    assert not missing or talk.notices(StreamGap)
