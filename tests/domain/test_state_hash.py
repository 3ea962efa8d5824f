"""Two runs are the same if and only if their hash is."""

from collections.abc import Callable

import pytest

from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed
from traderv3.domain.state_hash import StateHash
from traderv3.domain.states import State


def state_hash(feed: Feed, path: list[StateChanged]) -> str:
    made = StateHash(feed)
    for change in path:
        made.take(change)
    assert made.value() == made.value()
    return made.value()


PATH = [StateChanged(State.STARTUP, State.INITIALIZING, "because", 1)]


def made() -> Feed:
    feed = Feed()
    feed.watch(["A", "B"])
    feed.books["A"].replace([(4500, 100), (4400, 50)], [(5000, 7)])
    feed.counters.deltas = 3
    return feed


def test_equal_runs_have_equal_hashes_whatever_the_order_of_their_markets_and_the_time() -> None:
    other = Feed()
    other.watch(["B", "A"])
    other.books["A"].replace([(4400, 50), (4500, 100)], [(5000, 7)])
    other.books["A"].received_us = 77
    other.counters.deltas = 3
    later = [StateChanged(State.STARTUP, State.INITIALIZING, "another sentence", 2)]

    assert state_hash(made(), PATH) == state_hash(other, later)


@pytest.mark.parametrize(
    "change",
    [
        lambda feed: feed.books["A"].apply(True, 4500, 1),
        lambda feed: feed.books["A"].mark_stale("gap"),
        lambda feed: feed.watch(["C"]),
        lambda feed: setattr(feed.counters, "gaps", 1),
        lambda feed: setattr(feed.books["B"], "seq", 1),
    ],
)
def test_any_difference_shows(change: Callable[[Feed], object]) -> None:
    feed = made()
    change(feed)

    assert state_hash(feed, PATH) != state_hash(made(), PATH)


def test_another_way_through_the_states_shows() -> None:
    assert state_hash(made(), PATH) != state_hash(made(), [])
