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
from traderv3.domain.feed import Feed
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
