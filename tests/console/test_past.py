"""Time travel: what the past shows at a number is what a console was shown then; bounded; clear about its range."""

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.console.making import NOW, NOW_US, ROOT, Made, alert, line
from traderv3.console.client import Wishes
from traderv3.console.hub import Hub
from traderv3.console.messages import Actor, Risk, Snapshot, StateTransition
from traderv3.console.past import CHUNK_RAW_MAX, MOMENTS_A_KEY, OutOfRange, Past, look_back
from traderv3.console.snapshots import Slices
from traderv3.core.supervision import NodeReport, Status
from traderv3.domain.health import Numbers

LOGGED = ("transitions", "log", "alerts", "risk")
TICKERS = ("KX-A", "KX-B", "KX-C")


class World:
    """A hub whose facts, events and snapshots are chosen by chance."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.at_us = NOW_US
        workers = tuple(NodeReport(name, None, Status.RUNNING, NOW_US, 0, None, None, ()) for name in ("a", "b"))
        self.made = Made(wall_us=lambda: self.at_us, tree=replace(ROOT, children=workers))
        self.hub: Hub = self.made.hub()
        self.client, _ = self.hub.join(
            batch_ms=0, epoch=None, last_seq=None, wishes=Wishes(books=frozenset(TICKERS[:2]))
        )
        self.given: dict[int, dict[str, Any]] = {}  # the last snapshot given at each number

    def step(self) -> None:
        """Something happens."""
        self.at_us += self.rng.randrange(1_000_000)
        self.rng.choice((self.log_line, self.log_line, self.transit, self.warn, self.set_mode, self.restart))()
        if self.rng.random() < 0.5:
            self.trade()

    def log_line(self) -> None:
        self.hub.log("console", line(f"line {self.hub.seq}\n\r\u2028 über"))

    def transit(self) -> None:
        transition = StateTransition(
            from_state="a", to_state="b", context=str(self.hub.seq), timestamp=NOW, metrics=None, seq=None
        )
        self.hub.log("state_transition", transition)

    def warn(self) -> None:
        self.hub.log("alert", alert(self.rng.choice("xyz"), is_active=self.rng.random() < 0.6))

    def set_mode(self) -> None:
        self.made.risk = Risk(mode="halted", since=NOW, by=str(self.hub.seq), reason="", resting_orders=0)
        self.hub.log("risk", self.made.risk)

    def restart(self) -> None:
        """An actor changes, in the tree and in the log."""
        at = self.rng.randrange(2)
        nodes = list(self.made.tree.children)
        error = self.rng.choice((None, "it broke"))
        nodes[at] = replace(
            nodes[at],
            status=self.rng.choice(tuple(Status)),
            restarts=nodes[at].restarts + 1,
            last_error=error or nodes[at].last_error,
            since_us=self.at_us,
        )
        self.made.tree = replace(self.made.tree, children=tuple(nodes))
        node = self.hub.picture.supervision().children[at]
        actor = Actor(
            name=node.name, status=node.status, restarts=node.restarts, last_error=error, timestamp=node.since
        )
        self.hub.log("actor", actor)

    def trade(self) -> None:
        feed = self.made.feed
        ticker = self.rng.choice(TICKERS)
        if ticker in feed.books and self.rng.random() < 0.1:
            feed.forget(ticker)
            return
        feed.watch([ticker])
        feed.books[ticker].replace([(self.rng.randrange(1, 5_000), 100)], [])
        self.made.numbers = Numbers(messages_per_second=self.rng.random())

    def snapshot(self) -> dict[str, Any]:
        """One given to the client now."""
        shown: dict[str, Any] = msgspec.json.decode(self.hub.snapshot("connected", self.client).payload)["data"]
        self.given[self.hub.seq] = shown
        return shown

    def past(self, seq: int) -> dict[str, Any]:
        return decode_past(self.hub, seq)["data"]  # type: ignore[no-any-return]


def decode_past(hub: Hub, seq: int) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(look_back(*hub.past.chunk_of(seq, hub.seq).copy(), seq))
    return found


def of_the_log(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: shown[name] for name in LOGGED}


@given(st.integers(0, 2**32))
def test_the_past_shows_what_snapshots_showed_then(seed: int) -> None:
    world = World(random.Random(seed))
    logged: dict[int, dict[str, Any]] = {}
    trees: dict[int, Any] = {}
    for _ in range(world.rng.randrange(1, 150)):
        world.step()
        logged[world.hub.seq] = msgspec.json.decode(
            b"{%s}" % b",".join(b'"%s":%s' % (n.encode(), p) for n, p in world.hub.slices.parts().items())
        )
        trees[world.hub.seq] = msgspec.to_builtins(world.hub.picture.supervision())
        if world.rng.random() < 0.2:
            world.snapshot()
        elif world.rng.random() < 0.2:
            world.hub.keep_moment()
            world.given.pop(world.hub.seq, None)

    for seq, shown in world.given.items():
        assert {**world.past(seq), "reason": "connected"} == shown
    for seq, slices in logged.items():
        past = world.past(seq)
        assert of_the_log(past) == of_the_log(slices)
        assert past["supervision"] == trees[seq]  # folded from what the log says of actors


def test_a_past_snapshot_decodes_as_its_struct_with_number_time_and_reason() -> None:
    world = World(random.Random(1))
    for _ in range(30):
        world.step()
    world.snapshot()
    world.step()
    found = decode_past(world.hub, world.hub.seq)

    snapshot = msgspec.convert(found["data"], Snapshot)
    assert (found["type"], found["seq"], snapshot.reason, snapshot.dropped) == ("snapshot", 31, "past", 0)
    assert len(snapshot.log) == len([text for text in snapshot.log if text.seq])


def test_the_past_does_not_change_when_it_is_looked_at_or_time_goes_on() -> None:
    world = World(random.Random(2))
    for _ in range(20):
        world.step()
    world.snapshot()
    before = world.past(10)
    for _ in range(200):
        world.step()
        world.hub.keep_moment()

    assert world.past(10) == before


@pytest.mark.parametrize(
    ("seq", "is_gone", "said"), [(3, True, "3 is gone; 5 to 20"), (21, False, "21 has not happened yet; 5 to 20")]
)
def test_out_of_range_is_said_with_the_range(seq: int, is_gone: bool, said: str) -> None:
    past = Past()
    past.keep(5, NOW_US, {}, Slices())

    with pytest.raises(OutOfRange, match=said) as caught:
        past.chunk_of(seq, 20)
    assert caught.value.is_gone is is_gone


def test_before_the_first_moment_nothing_can_be_shown() -> None:
    past = Past()
    past.note(b"{}")

    with pytest.raises(OutOfRange, match="nothing can be shown"):
        past.chunk_of(0, 0)


@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(20_000, 100_000))
def test_the_past_is_bounded_and_what_is_left_can_be_shown(seed: int, bytes_max: int) -> None:
    world = World(random.Random(seed))
    world.hub.past = Past(bytes_max=bytes_max)
    noise = random.Random(seed)
    for _ in range(3 * MOMENTS_A_KEY):
        world.step()
        world.hub.log("console", line(noise.randbytes(200).hex()))  # does not compress
        world.hub.keep_moment()
        assert world.hub.past.size <= bytes_max

    oldest = world.hub.past.oldest_seq
    if oldest is not None:
        for seq in (oldest, (oldest + world.hub.seq) // 2, world.hub.seq):
            assert decode_past(world.hub, seq)["seq"] == seq


def test_a_chunk_is_short_enough_to_be_read_at_once() -> None:
    past, rng = Past(), random.Random(1)

    def noise() -> bytes:
        return b'"%s"' % rng.randbytes(50_000).hex().encode()

    parts = {"rest": b"null", **{f"market/{n}": noise() for n in range(10)}}
    for seq in range(30):
        past.keep(seq, NOW_US, {**parts, "market/1": noise(), "market/2": noise()}, Slices())

    assert len(past._chunks) > 1
    assert all(chunk.raw_bytes <= CHUNK_RAW_MAX + 2_000_000 for chunk in past._chunks)


def test_quiet_moments_cost_little() -> None:
    world = World(random.Random(3))
    for _ in range(50):
        world.step()
    world.hub.keep_moment()
    before = world.hub.past.size
    for _ in range(MOMENTS_A_KEY - 10):
        world.at_us += 1_000_000
        world.hub.keep_moment()

    assert (world.hub.past.size - before) / (MOMENTS_A_KEY - 10) < 250  # bytes a second
