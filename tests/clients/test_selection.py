"""How markets are spread over connections, and how a market comes, goes and moves."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.clients.selection import Selection


def shares(selection: Selection, count: int) -> list[tuple[str, ...]]:
    return [selection.share(index) for index in range(count)]


@pytest.mark.parametrize(
    ("connections", "per_connection", "markets", "sizes"),
    [
        (None, 3, 1, [1]),
        (None, 3, 3, [3]),
        (None, 3, 4, [2, 2]),
        (None, 3, 8, [3, 3, 2]),
        (2, 3, 8, [4, 4]),
        (4, 3, 2, [1, 1]),
    ],
)
def test_as_many_connections_as_asked_for_or_as_it_takes(
    connections: int | None, per_connection: int, markets: int, sizes: Sequence[int]
) -> None:
    grown: list[int] = []
    selection = Selection(connections=connections, per_connection=per_connection, on_grow=grown.append)

    selection.make([f"M{n}" for n in range(markets)])

    assert grown == [len(sizes)]
    assert [len(share) for share in shares(selection, len(sizes) + 1)] == [*sizes, 0]


def test_the_busiest_are_dealt_to_different_connections() -> None:
    selection = Selection(connections=2)

    selection.make(["first", "second", "third"])

    assert shares(selection, 2) == [("first", "third"), ("second",)]


def test_a_market_that_comes_later_goes_where_fewest_are_or_opens_a_connection() -> None:
    grown: list[int] = []
    selection = Selection(per_connection=2, on_grow=grown.append)
    selection.make(["A", "B", "C"])

    for ticker in ("D", "E", "E"):
        selection.admit(ticker)

    assert shares(selection, 3) == [("A", "C"), ("B", "D"), ("E",)]
    assert grown == [2, 2, 3]


def test_a_fixed_number_of_connections_takes_whatever_comes() -> None:
    selection = Selection(connections=1, per_connection=1)
    selection.make(["A"])

    selection.admit("B")

    assert selection.share(0) == ("A", "B")


def test_what_a_connection_cannot_carry_moves_to_another() -> None:
    selection = Selection(per_connection=10)
    selection.make(["A", "B", "C", "D"])

    selection.move(["C", "D", "unknown"], away_from=0)

    assert shares(selection, 2) == [("A", "B"), ("C", "D")]


@pytest.mark.parametrize("connections", [None, 1, 2, 3])
@pytest.mark.parametrize("limit", [1, 7, 50, 149, 299])
def test_a_limit_of_the_venues_is_learnt_and_the_markets_come_to_rest(connections: int | None, limit: int) -> None:
    selection = Selection(connections=connections, per_connection=200)
    selection.make([f"M{n}" for n in range(90)])
    moves, index = 0, 0
    while (over := [at for at in range(200) if len(selection.share(at)) > limit]) and moves < 2000:
        index = over[moves % len(over)]
        selection.move(selection.share(index)[limit:], away_from=index)
        moves += 1

    assert not over
    assert moves < 100
    assert len(selection.tickers) == 90


def test_a_venue_that_refuses_everything_does_not_drive_us_to_ever_more_connections() -> None:
    grown: list[int] = []
    selection = Selection(per_connection=10, on_grow=grown.append)
    selection.make(["A", "B"])
    for _ in range(100):
        for index in [index for index in range(10) if selection.share(index)]:
            selection.move(selection.share(index), away_from=index)

    assert max(grown) <= 3


def test_every_change_and_nothing_else_is_a_new_version() -> None:
    selection = Selection()
    selection.make(["A"])
    versions = [selection.version]
    selection.admit("A")
    versions.append(selection.version)
    selection.dismiss("B")
    versions.append(selection.version)
    selection.admit("B")
    versions.append(selection.version)
    selection.dismiss("A")
    versions.append(selection.version)

    assert versions == [1, 1, 1, 2, 3]


@given(
    st.integers(1, 4) | st.none(),
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["admit", "dismiss", "move"]), st.integers(0, 12)), max_size=40),
)
def test_no_market_is_ever_on_two_connections(
    connections: int | None, per_connection: int, changes: list[tuple[str, int]]
) -> None:
    selection = Selection(connections=connections, per_connection=per_connection)
    selection.make(["M0", "M1"])
    wanted = {"M0", "M1"}
    for verb, number in changes:
        ticker = f"M{number}"
        if verb == "admit":
            selection.admit(ticker)
            wanted.add(ticker)
        elif verb == "dismiss":
            selection.dismiss(ticker)
            wanted.discard(ticker)
        else:
            selection.move([ticker], away_from=0)

        assert sorted(selection.tickers) == sorted(wanted)
