"""Faults: spelled clearly, seeded, and honest about sequence numbers."""

import random

import pytest

from tests.exchange.listener import Listener, floor_of
from traderv3.exchange.faults import FaultProblem, Faults, parse_faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import made_up
from traderv3.exchange.session import GARBAGE

A = made_up(7)[0].ticker


def test_a_specification_is_read() -> None:
    assert parse_faults("drop=0.5, silent_after=30") == Faults(drop=0.5, silent_after=30)
    assert parse_faults("") == Faults()


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("dorp=1", "'dorp=1' is not a fault"),
        ("drop", "write name=number"),
        ("drop=often", "not a number"),
        ("drop=1.5", "between 0 and 1"),
        ("drop=nan", "between 0 and 1"),
        ("drop=0.1,drop=0.2", "given twice"),
        ("drop=0.6,abort=0.6", "exceed 1"),
    ],
)
def test_a_specification_that_cannot_be_read_is_explained(spec: str, what: str) -> None:
    with pytest.raises(FaultProblem, match=what):
        parse_faults(spec)


def told(faults: Faults, changes: int = 300, seed: int = 3) -> tuple[Listener, list[bytes]]:
    """What a client is sent after its first snapshot."""
    floor = Floor(made_up(7), now_ms=lambda: 0, faults=faults, rng=random.Random(seed))
    client = Listener(floor, checks_seq=False)
    client.subscribe(A)
    listing = floor.listings[A]
    for _ in range(changes):
        floor.change(listing, True, 4000, 100, ts="", ts_ms=0)
    return client, client.session.take()


def seqs(frames: list[bytes]) -> list[int]:
    return [int(frame.split(b'"seq":')[1].split(b",")[0]) for frame in frames]


def test_a_dropped_frame_uses_up_its_number() -> None:
    _, frames = told(Faults(drop=0.1))

    assert 230 < len(frames) < 300
    assert seqs(frames) == sorted(set(seqs(frames)))
    assert set(seqs(frames)) < set(range(2, 302))


def test_a_duplicate_carries_the_same_number() -> None:
    _, frames = told(Faults(duplicate=0.1))

    assert len(frames) > 300
    assert sorted(set(seqs(frames))) == list(range(2, 302))


def test_garbage_takes_the_place_of_a_frame() -> None:
    _, frames = told(Faults(garbage=0.1))

    assert len(frames) == 300
    assert 10 < frames.count(GARBAGE) < 60


def test_an_abort_is_for_the_owner_of_the_socket() -> None:
    client, _ = told(Faults(abort=0.1))

    assert client.session.is_aborted


def test_one_seed_is_one_story() -> None:
    faults = Faults(drop=0.1, duplicate=0.1, garbage=0.1)

    assert told(faults, seed=4)[1] == told(faults, seed=4)[1] != told(faults, seed=5)[1]


def test_answers_to_commands_are_spared() -> None:
    client = Listener(floor_of(faults=Faults(drop=1)))
    frames = client.subscribe(A)
    frames += client.say("update_subscription", sid=1, action="get_snapshot", market_tickers=[A])

    assert [frame["type"] for frame in frames] == ["subscribed", "orderbook_snapshot", "orderbook_snapshot"]
