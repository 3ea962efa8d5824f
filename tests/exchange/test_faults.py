"""Faults: spelled clearly, seeded, and honest about sequence numbers."""

import itertools
import json
import random

import pytest

from tests.exchange.broker import ORDERS, Broker, exchange_of
from tests.exchange.listener import Listener, floor_of
from traderv3.exchange.faults import FAULTS, FaultProblem, Faults, described, parse_faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.market import made_up
from traderv3.exchange.misdelivery import GARBAGE
from traderv3.exchange.rest import BASE
from traderv3.exchange.session import SessionOptions

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


def test_what_is_spelled_is_read_back() -> None:
    every = Faults(**dict.fromkeys(FAULTS, 0.125))

    assert parse_faults(every.spelled()) == every
    assert parse_faults(Faults().spelled()) == Faults()
    assert all(name in described() for name in FAULTS)


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


def test_a_reordered_frame_changes_places_with_the_next() -> None:
    _, frames = told(Faults(reorder=0.2))
    numbers = seqs(frames)
    swaps = sum(later < earlier for earlier, later in itertools.pairwise(numbers))

    assert 20 < swaps < 100
    assert set(range(2, 302)) - set(numbers) <= {301}, "all but a last one that still waits"
    assert max(abs(number - place) for place, number in enumerate(numbers, 2)) <= 1


def test_an_overtaken_frame_waits_for_the_next_step_at_most() -> None:
    floor = Floor(made_up(7), now_ms=lambda: 0, faults=Faults(reorder=1))
    client = Listener(floor)
    client.subscribe(A)
    floor.change(floor.listings[A], True, 4000, 100, ts="", ts_ms=0)
    assert client.session.take() == []
    floor.step(0)

    assert seqs(client.session.take()) == [2]


@pytest.mark.parametrize(("faults", "code"), [(Faults(overflow=0.1), 25), (Faults(terminal=0.1), 10)])
def test_a_stream_ends_with_an_error_and_the_numbers_have_no_gap(faults: Faults, code: int) -> None:
    client, frames = told(faults)
    last = json.loads(frames[-1])

    assert (last["type"], last["sid"], last["msg"]["code"]) == ("error", 1, code)
    assert "id" not in last
    assert seqs(frames) == list(range(2, len(frames) + 2))
    assert client.session.subscriptions == {}


def test_delayed_frames_are_bounded_like_the_outbox() -> None:
    options = SessionOptions(outbox_bytes_max=10_000)
    floor = Floor(made_up(7), now_ms=lambda: 0, faults=Faults(delay=60), options=options)
    client = Listener(floor)
    client.subscribe(A)
    for _ in range(100):
        floor.change(floor.listings[A], True, 4000, 100, ts="", ts_ms=0)
    assert client.session.overflows == 1
    floor.step(60_000_000)
    frames = client.hear()

    assert frames[-1]["msg"]["code"] == 25
    assert len(frames) < 50


def test_faults_end_while_frames_are_held_back() -> None:
    floor = Floor(made_up(7), now_ms=lambda: 0, faults=Faults(delay=60))
    client = Listener(floor)
    client.subscribe(A)
    floor.change(floor.listings[A], True, 4000, 100, ts="", ts_ms=0)
    floor.set_faults(Faults())
    floor.change(floor.listings[A], True, 4000, 100, ts="", ts_ms=0)

    assert [frame["seq"] for frame in client.hear()] == [2, 3]


def test_a_command_may_time_out_and_then_did_nothing() -> None:
    client = Listener(floor_of(faults=Faults(command_timeout=1)))
    frames = client.subscribe(A)

    assert [frame["msg"]["code"] for frame in frames] == [18]
    assert client.say("list_subscriptions")[0]["msg"] == []


def test_a_share_of_rest_calls_fails_and_a_write_may_have_happened() -> None:
    exchange, _ = exchange_of(faults=Faults(rest_error=0.5))
    ann = Broker(exchange, "ann")
    path = BASE + ORDERS
    statuses = []
    for _ in range(80):
        body = json.dumps(ann.order_body(A, "bid", "0.1000", "1")).encode()
        statuses.append(exchange.answer("POST", path, ann.headers("POST", path), body).status)
    placed = len(ann.get("/portfolio/orders")["orders"])

    assert set(statuses) == {201, 503}
    assert statuses.count(201) < placed < 80


def test_rest_may_be_slow_and_answers_to_orders_slower() -> None:
    exchange, _ = exchange_of(faults=Faults(slow_rest=1, fill_before_ack=0.5))
    ann = Broker(exchange, "ann")
    path = BASE + ORDERS

    assert exchange.answer("GET", BASE + "/markets", {}).hold_s == 1
    assert exchange.answer("POST", path, ann.headers("POST", path), b"{}").hold_s == 1.5
