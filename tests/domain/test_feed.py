"""The feed tells live, stale and syncing apart, and a known absence is not a wait."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.errors import (
    ConnectivityError,
    EnvironmentMismatch,
    Reaction,
    RemoteProtocolError,
    RestartStorm,
    VenueRefused,
)
from traderv3.domain.feed import Feed, Line, Link
from traderv3.domain.timestamps import rfc3339, rfc3339_or_none


def test_books_are_counted_by_what_they_are() -> None:
    feed = Feed()
    feed.watch(["A", "B", "C", "D"])
    feed.books["A"].replace([], [])
    feed.books["B"].replace([], [])
    feed.books["B"].mark_stale("gap")
    feed.absent["D"] = "unknown"

    assert (feed.live, feed.stale, feed.syncing) == (1, ["B"], ["C"])


def test_watching_again_keeps_what_is_held() -> None:
    feed = Feed()
    feed.watch(["A"])
    held = feed.books["A"]
    feed.watch(["A", "B"])

    assert feed.books["A"] is held
    assert list(feed.books) == ["A", "B"]


def test_a_closed_market_is_neither_stale_nor_waited_for_and_keeps_its_levels() -> None:
    feed = Feed()
    feed.watch(["A", "B"])
    feed.books["A"].replace([(4500, 100)], [])
    feed.close("A", "the market is closed")
    feed.close("B", "the market is finalized")

    assert (feed.live, feed.stale, feed.syncing, feed.unserved) == (0, [], [], [])
    assert feed.books["A"].levels(is_yes=True) == [(4500, 100)]
    assert feed.books["A"].stale_reason == "the market is closed"


def test_a_market_that_is_over_is_suspected_no_more() -> None:
    """Seed 1124: one that opened and closed again between two looks of its connector stayed a suspect for ever."""
    feed = Feed()
    feed.watch(["A"])
    feed.close("A", "closed")
    feed.reopen("A")
    feed.close("A", "determined")

    assert feed.suspects == {}


def test_what_is_forgotten_is_told_to_the_tape_once() -> None:
    told: list[tuple[str, str, str]] = []
    feed = Feed(mark=lambda *event: told.append(event))
    feed.watch(["A"])
    feed.forget("A")
    feed.forget("A")

    assert told == [("forgotten", "A", "")]


def test_a_suspect_is_stale_at_once_and_told_once() -> None:
    feed = Feed()
    feed.watch(["A", "B"])
    feed.books["A"].replace([], [])
    feed.suspect("A", "differs from REST")
    feed.suspect("B", "differs from REST")

    assert feed.suspects == {"A": "differs from REST"}
    assert feed.stale == ["A"]


@pytest.mark.parametrize(
    ("lines", "link", "reason"),
    [
        ([], Link.DISCONNECTED, "not tried yet"),
        ([Line(Link.CONNECTED, "accepted", tickers=("A",))], Link.CONNECTED, "accepted"),
        ([Line(Link.CONNECTED, "accepted", tickers=("A",)), Line(reason="cut", tickers=("B",))], Link.CONNECTED, "cut"),
        ([Line(Link.CONNECTING, "handshake", tickers=("A",)), Line(reason="cut")], Link.CONNECTING, "handshake"),
        ([Line(reason="cut", tickers=("A",)), Line(Link.CONNECTED, has_books=False)], Link.DISCONNECTED, "cut"),
    ],
)
def test_connections_are_summed_up_by_the_best_and_explained_by_the_worst(
    lines: list[Line], link: Link, reason: str
) -> None:
    feed = Feed(lines={str(n): line for n, line in enumerate(lines)})

    assert (feed.link, feed.link_reason) == (link, reason)


def test_connected_since_the_oldest_connection_that_stands_and_last_heard_on_any() -> None:
    feed = Feed(lines={"1": Line(connected_us=30, last_message_us=40), "2": Line(connected_us=20), "3": Line()})

    assert (feed.connected_us, feed.last_message_us) == (20, 40)
    assert (Feed().connected_us, Feed().last_message_us) == (None, None)


@pytest.mark.parametrize(
    ("status", "is_about_the_key"), [(401, True), (403, True), (400, False), (404, False), (500, False)]
)
def test_only_401_and_403_are_about_the_key(status: int, is_about_the_key: bool) -> None:
    assert VenueRefused("no", status=status).is_about_the_key is is_about_the_key


def test_every_error_says_who_must_act() -> None:
    assert ConnectivityError.reaction is Reaction.RETRY
    assert RemoteProtocolError.reaction is Reaction.RESYNC
    assert VenueRefused.reaction is Reaction.REPORT
    assert EnvironmentMismatch.reaction is RestartStorm.reaction is Reaction.HALT


@given(st.integers(0, 4_102_444_800_000_000))
def test_a_time_is_printed_to_the_millisecond_it_is_in(at_us: int) -> None:
    printed = rfc3339(at_us)
    read = datetime.fromisoformat(printed)

    assert printed.endswith("Z")
    assert round(read.timestamp() * 1000) == at_us // 1000


def test_no_time_is_no_text() -> None:
    assert rfc3339_or_none(None) is None
    assert rfc3339_or_none(0) == "1970-01-01T00:00:00.000Z"
