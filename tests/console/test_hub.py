"""The event log and the clients' outboxes: numbering, joining, resuming, conflation, overflow."""

from collections import deque
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.console.making import Made, alert, line
from traderv3.console.client import OUTBOX, Client, Frame, Wishes
from traderv3.console.hub import CLIENTS_MAX, Hub, HubFull
from traderv3.console.messages import Heartbeat, MarketTop
from traderv3.console.reports import market_top
from traderv3.domain.book import Book


def decoded(frames: list[Frame]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame.payload) for frame in frames]


def join(
    hub: Hub, *, epoch: str | None = None, last_seq: int | None = None, wishes: Wishes | None = None
) -> tuple[Client, list[dict[str, Any]]]:
    client, first = hub.join(batch_ms=0, epoch=epoch, last_seq=last_seq, wishes=wishes)
    return client, decoded(first)


def watching(*tickers: str) -> Made:
    made = Made()
    made.feed.watch(tickers)
    for ticker in tickers:
        made.feed.books[ticker].replace([(4_500, 100)], [])
    return made


def top(ticker: str) -> MarketTop:
    return market_top(Book(ticker))


async def test_logged_messages_are_numbered_without_a_hole() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    for number in range(5):
        hub.log("console", line(str(number)))

    assert [frame["seq"] for frame in decoded(client.take())] == [1, 2, 3, 4, 5]


async def test_replaceable_messages_carry_the_newest_number_without_taking_one() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    hub.log("console", line("one"))
    hub.show("market", "KX-A", top("KX-A"))
    hub.log("console", line("two"))

    assert [(f["type"], f["seq"]) for f in decoded(client.take())] == [("console", 1), ("market", 1), ("console", 2)]


async def test_conflation_is_by_type_and_entity_and_never_of_logged_kinds() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    for _ in range(3):
        hub.show("market", "KX-A", top("KX-A"))
        hub.show("market", "KX-B", top("KX-B"))
        hub.log("console", line("same"))

    assert [f["type"] for f in decoded(client.take())].count("console") == 3
    hub.show("market", "KX-A", top("KX-A"))
    hub.show("market", "KX-A", top("KX-A"))
    assert len(client.take()) == 1


async def test_numbers_of_one_client_never_fall() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    hub.show("market", "KX-A", top("KX-A"))
    hub.log("console", line("between"))
    hub.show("market", "KX-A", top("KX-A"))

    numbers = [frame["seq"] for frame in decoded(client.take())]
    assert numbers == sorted(numbers)


async def test_a_resume_brings_exactly_what_was_missed() -> None:
    hub = Made().hub()
    for number in range(10):
        hub.log("console", line(str(number)))
    _, frames = join(hub, epoch="e", last_seq=7)

    assert frames[0]["data"]["resumed"] is True
    assert [f["seq"] for f in frames if f["type"] == "console"] == [8, 9, 10]


async def test_a_resume_with_nothing_missed_brings_nothing() -> None:
    hub = Made().hub()
    hub.log("console", line("only"))
    _, frames = join(hub, epoch="e", last_seq=1)

    assert [f["type"] for f in frames] == ["connection", "history_replay", "trader_status"]


@given(st.integers(min_value=-3, max_value=30), st.integers(min_value=0, max_value=20))
def test_any_resume_is_complete_or_a_snapshot(last_seq: int, logged: int) -> None:
    hub = Made().hub()
    hub._ring = deque(maxlen=8)
    for number in range(logged):
        hub.log("console", line(str(number)))
    frames = decoded(hub.join(batch_ms=0, epoch="e", last_seq=last_seq)[1])

    if frames[0]["data"]["resumed"]:
        assert [f["seq"] for f in frames if f["type"] == "console"] == list(range(last_seq + 1, logged + 1))
    else:
        assert frames[1]["data"]["reason"] == "resume_too_old"
        assert not max(0, logged - 8) <= last_seq <= logged


async def test_an_overflow_empties_the_outbox_counts_what_was_lost_and_asks_for_a_snapshot() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    for number in range(OUTBOX + 1):
        hub.log("console", line(str(number)))

    assert len(client.outbox) == 1
    assert client.dropped == OUTBOX
    assert [(f["type"], f["data"]["dropped"]) for f in decoded(hub.collect(client))] == [("snapshot", OUTBOX)]
    assert hub.collect(client) == [], "once"
    assert hub.dropped == OUTBOX


async def test_the_outbox_is_bounded_whatever_is_put_in() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    for number in range(3 * OUTBOX):
        hub.show("market", f"KX-{number}", top("KX"))

    assert len(client.outbox) <= OUTBOX


async def test_a_heartbeat_tells_each_client_its_own_loss() -> None:
    hub = Made().hub()
    first, _ = join(hub)
    second, _ = join(hub)
    first.dropped = 7
    hub.heartbeat(1.5)

    beats = [msgspec.convert(decoded(c.take())[-1]["data"], Heartbeat) for c in (first, second)]
    assert [beat.dropped for beat in beats] == [7, 0]


async def test_what_a_client_that_left_lost_stays_counted() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    client.dropped = 7
    hub.leave(client)

    assert hub.dropped == 7
    assert not hub.clients


async def test_one_client_too_many_is_refused() -> None:
    hub = Made().hub()
    for _ in range(CLIENTS_MAX):
        join(hub)

    with pytest.raises(HubFull):
        join(hub)


async def test_alerts_stay_until_they_end() -> None:
    hub = Made().hub()
    hub.log("alert", alert("a", is_active=True))
    hub.log("alert", alert("b", is_active=True))
    hub.log("alert", alert("a", is_active=False))
    _, frames = join(hub)

    assert [a["id"] for a in frames[1]["data"]["alerts"]] == ["b"]


async def test_topics_given_at_the_join_hold_for_what_was_missed_too() -> None:
    hub = Made().hub()
    for number in range(3):
        hub.log("console", line(str(number)))
    _, first = hub.join(batch_ms=0, epoch="e", last_seq=0, wishes=Wishes(topics=frozenset({"heartbeat"})))

    assert [frame["type"] for frame in decoded(first)] == ["connection"]


async def test_a_batch_is_its_messages_under_one_head() -> None:
    hub = Made().hub()
    client, _ = join(hub)
    hub.log("console", line("one"))
    hub.log("console", line("two"))
    frames = client.take()

    batch = msgspec.json.decode(hub.batch(frames))
    assert batch["type"] == "batch"
    assert batch["data"]["items"] == decoded(frames)
    assert "seq" not in batch


async def test_a_resume_brings_what_replaced_itself_meanwhile_and_nothing_that_did_not() -> None:
    made = watching("KX-A", "KX-B", "KX-C")
    hub = made.hub()
    join(hub)
    hub.log("console", line("the last that it saw"))
    hub.show("mailbox", "broadcaster", top("a mailbox"))
    made.feed.books["KX-B"].apply(True, 4_600, 100)
    _, frames = join(hub, epoch="e", last_seq=1)

    assert [(f["type"], f["data"]["ticker"]) for f in frames[1:-2]] == [("mailbox", "a mailbox"), ("market", "KX-B")]
    assert {f["seq"] for f in frames} == {1}


async def test_a_book_comes_at_once_when_it_is_asked_for_and_only_to_who_asked() -> None:
    made = watching("KX-A", "KX-B")
    hub = made.hub()
    asking, _ = join(hub)
    other, _ = join(hub)
    hub.follow(asking, Wishes(books=frozenset({"KX-A"})))

    [book] = decoded(asking.take())
    assert (book["type"], book["data"]["yes"], book["data"]["no"]) == ("book", [["0.4500", "1.00"]], [])
    hub.show_books()
    assert not asking.outbox, "nothing has changed"
    made.feed.books["KX-A"].apply(True, 4_600, 100)
    made.feed.books["KX-B"].apply(True, 4_600, 100)
    hub.show_books()
    assert [f["data"]["ticker"] for f in decoded(asking.take())] == ["KX-A"]
    assert not other.outbox


async def test_books_follow_from_few_markets_and_never_from_many() -> None:
    hub = watching(*"ABCDE").hub()
    few, first = join(hub, wishes=Wishes(markets=frozenset("ABCD")))
    many, _ = join(hub, wishes=Wishes(markets=frozenset("ABCDE")))
    none, _ = join(hub, wishes=Wishes(markets=frozenset("AB"), topics=frozenset({"market"})))

    assert [book["ticker"] for book in first[1]["data"]["books"]] == ["A", "B", "C", "D"]
    assert (few.watched, many.watched, none.watched) == (frozenset("ABCD"), frozenset(), frozenset())


async def test_markets_choose_tops_and_books_choose_books_each_alone() -> None:
    made = watching("A", "B")
    hub = made.hub()
    client, first = join(hub, wishes=Wishes(markets=frozenset("A"), books=frozenset("B")))
    made.feed.books["A"].apply(True, 4_600, 100)
    made.feed.books["B"].apply(True, 4_600, 100)
    hub.show_markets()
    hub.show_books()

    assert [m["ticker"] for m in first[1]["data"]["market_tops"]] == ["A"]
    assert [b["ticker"] for b in first[1]["data"]["books"]] == ["B"]
    assert [(f["type"], f["data"]["ticker"]) for f in decoded(client.take())] == [("market", "A"), ("book", "B")]


async def test_a_snapshot_honours_topics_but_its_picture_is_whole() -> None:
    made = watching("A")
    hub = made.hub()
    hub.log("console", line("a line"))
    hub.log("alert", alert("a"))
    _, first = join(hub, wishes=Wishes(topics=frozenset({"alert"})))

    shown = first[1]["data"]
    assert (shown["log"], shown["market_tops"], len(shown["alerts"])) == ([], [], 1)
    assert (shown["state"], shown["markets"], shown["supervision"]["name"]) == ("ready", ["A"], "root")


async def test_what_is_no_longer_wanted_is_not_sent_even_if_it_waited() -> None:
    made = watching("A", "B")
    hub = made.hub()
    client, _ = join(hub)
    made.feed.books["A"].apply(True, 4_600, 100)
    made.feed.books["B"].apply(True, 4_600, 100)
    hub.show_markets()
    hub.log("console", line("a line"))
    hub.follow(client, Wishes(topics=frozenset({"market"}), markets=frozenset("B")))

    assert [(f["type"], f["data"]["ticker"]) for f in decoded(client.take())] == [("market", "B")]


async def test_a_market_that_is_held_no_more_is_shown_to_nobody() -> None:
    made = watching("A", "B")
    hub = made.hub()
    join(hub)
    made.feed.forget("A")
    hub.keep_moment()
    _, first = join(hub)

    assert [m["ticker"] for m in first[1]["data"]["market_tops"]] == ["B"]
    assert not any(entity == "A" for _, entity in hub._shown)
