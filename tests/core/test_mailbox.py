"""Mailboxes: each policy against a model of one list, then waiting, waking, closing and being cancelled."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.core.stage import scheduler_random
from traderv3.core.mailbox import Mailbox, MailboxClosed, Policy

Item = tuple[str, int]  # key, serial number


def key_of(item: Item) -> str:
    """What `conflate` goes by."""
    return item[0]


def make(policy: Policy, capacity: int = 3, clock: Callable[[], float] = lambda: 0.0) -> Mailbox[Item]:
    """A mailbox of either policy; items are conflated by their first half."""
    key = key_of if policy is Policy.CONFLATE else None
    return Mailbox("test", capacity, policy, key=key, clock=clock)


@dataclass
class Model:
    """The dumbest mailbox: one list of (arrived at, item)."""

    policy: Policy
    capacity: int
    held: list[tuple[float, Item]] = field(default_factory=list)
    accepted: int = 0
    dropped: int = 0
    conflated: int = 0
    high_water: int = 0

    def put(self, item: Item, now: float) -> bool:
        """Whether nothing was dropped for it."""
        self.accepted += 1
        if self.policy is Policy.CONFLATE:
            for place, (since, held) in enumerate(self.held):
                if held[0] == item[0]:
                    self.held[place] = (since, item)
                    self.conflated += 1
                    return True
        self.held.append((now, item))
        is_over = len(self.held) > self.capacity
        if is_over:
            self.held.pop(0)
            self.dropped += 1
        self.high_water = max(self.high_water, len(self.held))
        return not is_over

    def take(self, most: int) -> list[Item]:
        """The oldest `most`."""
        taken, self.held = self.held[:most], self.held[most:]
        return [item for _, item in taken]


steps = st.lists(
    st.tuples(st.just("put"), st.sampled_from("abcdef"))
    | st.tuples(st.just("take"), st.integers(1, 5))
    | st.tuples(st.just("wait"), st.floats(0, 10)),
    max_size=60,
)


@pytest.mark.parametrize("policy", [Policy.DROP_OLDEST, Policy.CONFLATE])
@given(steps=steps, capacity=st.integers(1, 5))
def test_a_mailbox_does_what_a_list_would(
    policy: Policy, steps: list[tuple[str, str | int | float]], capacity: int
) -> None:
    now = 0.0
    box, model = make(policy, capacity, lambda: now), Model(policy, capacity)

    for serial, (verb, value) in enumerate(steps):
        match verb, value:
            case "put", str(key):
                assert box.put((key, serial)) == model.put((key, serial), now)
            case "take", int(most):
                assert box.take(most) == model.take(most)
            case _, wait_s:
                now += float(wait_s)
        box.check()
        stats = box.stats()

        assert len(box) == stats.depth == len(model.held) <= capacity
        assert (stats.accepted, stats.dropped, stats.conflated) == (model.accepted, model.dropped, model.conflated)
        assert stats.high_water == model.high_water <= capacity
        assert stats.oldest_s == (now - model.held[0][0] if model.held else 0.0)
        assert (stats.capacity, stats.policy) == (capacity, policy)


def test_conflation_keeps_the_first_ones_place_and_age_and_the_latest_value() -> None:
    now = 0.0
    box = make(Policy.CONFLATE, clock=lambda: now)
    box.put(("a", 1))
    box.put(("b", 2))
    now = 5.0
    is_whole = box.put(("a", 3))

    assert is_whole
    assert box.stats().oldest_s == 5.0
    assert box.take() == [("a", 3), ("b", 2)]


def test_a_mailbox_full_of_different_keys_drops_its_oldest_key_and_counts_it() -> None:
    box = make(Policy.CONFLATE, capacity=2)
    results = [box.put((key, 0)) for key in "abc"]

    assert results == [True, True, False]
    assert box.take() == [("b", 0), ("c", 0)]
    assert box.stats().dropped == 1


def test_an_empty_mailbox_gives_nothing_at_once() -> None:
    assert make(Policy.DROP_OLDEST).take() == []


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_mailbox_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(AssertionError):
        make(Policy.DROP_OLDEST, capacity)


@pytest.mark.parametrize("policy", list(Policy))
def test_a_key_belongs_to_conflate_alone(policy: Policy) -> None:
    with pytest.raises(AssertionError):
        Mailbox("test", 1, policy, key=None if policy is Policy.CONFLATE else key_of)


def test_a_mailbox_that_blocks_is_not_put_into() -> None:
    with pytest.raises(AssertionError):
        make(Policy.BLOCK).put(("a", 1))


# -- waiting -----------------------------------------------------------------------------------------------------------


async def test_a_full_mailbox_that_blocks_makes_the_sender_wait_and_loses_nothing(autojump_clock: MockClock) -> None:
    box = make(Policy.BLOCK, capacity=2, clock=trio.current_time)
    sent: list[float] = []

    async def send() -> None:
        for serial in range(6):
            await box.send(("a", serial))
            sent.append(trio.current_time())

    received: list[Item] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while len(received) < 6:
            await trio.sleep(1)
            received += await box.receive_batch()
            box.check()

    assert received == [("a", serial) for serial in range(6)]
    assert sent == [0, 0, 1, 1, 2, 2]
    assert box.stats().high_water == 2


@pytest.mark.usefixtures("scheduler_seed")
@pytest.mark.parametrize("most", [1, 2, 5])
async def test_senders_that_wait_are_served_in_their_order(autojump_clock: MockClock, most: int) -> None:
    box = make(Policy.BLOCK, capacity=2, clock=trio.current_time)
    received: list[Item] = []
    async with trio.open_nursery() as nursery:
        for serial in range(10):
            nursery.start_soon(box.send, ("a", serial))
            await wait_all_tasks_blocked()
        while len(received) < 10:
            received += await box.receive_batch(most)
            box.check()

    assert received == [("a", serial) for serial in range(10)]


@pytest.mark.usefixtures("scheduler_seed")
async def test_a_sender_who_comes_later_does_not_jump_the_queue(autojump_clock: MockClock) -> None:
    box = make(Policy.BLOCK, capacity=1)
    await box.send(("first", 0))

    async def jump() -> None:
        await box.send(("jumper", 0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.send, ("waited", 0))
        await wait_all_tasks_blocked()
        received = box.take()  # the waiting sender is woken, and has not run yet
        nursery.start_soon(jump)
        with trio.move_on_after(0.1):
            await box.send(("jumper", 1))
        while len(received) < 3:
            received += await box.receive_batch()
            box.check()

    assert received[:2] == [("first", 0), ("waited", 0)]


async def test_nobody_starves_among_busy_senders(autojump_clock: MockClock) -> None:
    box: Mailbox[str] = Mailbox("test", 1, Policy.BLOCK)
    counts = dict.fromkeys("abc", 0)

    async def send_for_ever(name: str) -> None:
        while True:
            await box.send(name)

    async with trio.open_nursery() as nursery:
        for name in counts:
            nursery.start_soon(send_for_ever, name)
        for _ in range(300):
            for name in await box.receive_batch():
                counts[name] += 1
        nursery.cancel_scope.cancel()

    assert max(counts.values()) - min(counts.values()) <= 2, counts


async def test_sending_to_a_mailbox_that_drops_never_waits(autojump_clock: MockClock) -> None:
    box = make(Policy.DROP_OLDEST, capacity=1)
    for serial in range(5):
        await box.send(("a", serial))

    assert trio.current_time() == 0
    assert box.stats().dropped == 4


async def test_a_reader_waits_until_something_is_there(autojump_clock: MockClock) -> None:
    box = make(Policy.DROP_OLDEST)

    async def put_later() -> None:
        await trio.sleep(7)
        box.put(("a", 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(put_later)
        batch = await box.receive_batch()

    assert batch == [("a", 1)]
    assert trio.current_time() == 7


async def test_a_batch_is_bounded_and_the_rest_waits(autojump_clock: MockClock) -> None:
    box = make(Policy.DROP_OLDEST, capacity=5)
    for serial in range(5):
        box.put(("a", serial))
    batches = [await box.receive_batch(2) for _ in range(3)]

    assert [len(batch) for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("policy", list(Policy))
async def test_each_send_and_each_receive_lets_others_run(autojump_clock: MockClock, policy: Policy) -> None:
    box = make(policy, capacity=100)
    with trio.testing.assert_checkpoints():
        await box.send(("a", 1))
    with trio.testing.assert_checkpoints():
        await box.receive_batch()


# -- closing -----------------------------------------------------------------------------------------------------------


async def test_what_waits_in_a_closed_mailbox_is_still_read_then_the_end_is_said(autojump_clock: MockClock) -> None:
    box = make(Policy.DROP_OLDEST)
    box.put(("a", 1))
    box.close()
    box.close()
    batch = await box.receive_batch()

    assert batch == [("a", 1)]
    with pytest.raises(MailboxClosed):
        await box.receive_batch()
    with pytest.raises(MailboxClosed):
        box.put(("a", 2))
    with pytest.raises(MailboxClosed):
        await box.send(("a", 2))


@pytest.mark.usefixtures("scheduler_seed")
async def test_closing_wakes_everybody_who_waits(autojump_clock: MockClock) -> None:
    full, empty = make(Policy.BLOCK, capacity=1), make(Policy.BLOCK)
    told: list[str] = []

    async def expect_the_end(what: str, wait: Callable[[], object]) -> None:
        with pytest.raises(MailboxClosed):
            await wait()  # type: ignore[misc]
        told.append(what)

    await full.send(("a", 0))
    async with trio.open_nursery() as nursery:
        for serial in range(3):
            nursery.start_soon(expect_the_end, "sender", lambda serial=serial: full.send(("a", serial)))
            nursery.start_soon(expect_the_end, "reader", empty.receive_batch)
        await wait_all_tasks_blocked()
        full.close()
        empty.close()

    assert sorted(told) == ["reader"] * 3 + ["sender"] * 3
    assert full.take() == [("a", 0)]
    full.check()


@pytest.mark.usefixtures("scheduler_seed")
async def test_a_place_given_before_the_close_stays_given_and_none_is_given_after(autojump_clock: MockClock) -> None:
    box = make(Policy.BLOCK, capacity=1)
    await box.send(("a", 0))
    ends: dict[int, str] = {}

    async def send(serial: int) -> None:
        try:
            await box.send(("a", serial))
        except MailboxClosed:
            ends[serial] = "refused"
        else:
            ends[serial] = "sent"

    async with trio.open_nursery() as nursery:
        for serial in (1, 2):
            nursery.start_soon(send, serial)
            await wait_all_tasks_blocked()
        received = box.take()
        box.close()
        received += box.take()

    assert ends == {1: "sent", 2: "refused"}
    assert received == [("a", 0), ("a", 1)]
    assert len(box) == 0
    box.check()


# -- being cancelled ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("scheduler_seed")
async def test_a_reader_cancelled_while_it_waits_loses_nothing(autojump_clock: MockClock) -> None:
    box = make(Policy.DROP_OLDEST)
    with trio.move_on_after(1) as scope:
        await box.receive_batch()
    box.put(("a", 1))

    assert scope.cancelled_caught
    assert await box.receive_batch() == [("a", 1)]


@pytest.mark.usefixtures("scheduler_seed")
async def test_a_reader_cancelled_just_after_it_was_woken_hands_on_or_keeps_what_came(
    autojump_clock: MockClock,
) -> None:
    box = make(Policy.DROP_OLDEST)
    received: list[Item] = []

    async def read(scope: trio.CancelScope) -> None:
        with scope:
            received.extend(await box.receive_batch(1))

    async with trio.open_nursery() as nursery:
        first, second = trio.CancelScope(), trio.CancelScope()
        nursery.start_soon(read, first)
        await wait_all_tasks_blocked()
        nursery.start_soon(read, second)
        await wait_all_tasks_blocked()
        box.put(("a", 1))
        first.cancel()
        await wait_all_tasks_blocked()
        waiting = len(box)
        second.cancel()

    assert received == [("a", 1)]
    assert waiting == 0
    box.check()


@pytest.mark.usefixtures("scheduler_seed")
async def test_a_sender_cancelled_just_after_it_was_woken_does_not_take_the_place_with_it(
    autojump_clock: MockClock,
) -> None:
    box = make(Policy.BLOCK, capacity=1)
    await box.send(("a", 0))
    sent: list[int] = []

    async def send(serial: int, scope: trio.CancelScope) -> None:
        with scope:
            await box.send(("a", serial))
            sent.append(serial)

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for serial, scope in enumerate(scopes, 1):
            nursery.start_soon(send, serial, scope)
            await wait_all_tasks_blocked()
        received = box.take()
        scopes[0].cancel()
        with trio.move_on_after(5):
            while True:
                received += await box.receive_batch()
                box.check()

    assert received == [("a", 0), *(("a", serial) for serial in sorted(sent))]
    assert {2, 3} <= set(sent)


async def test_sending_and_receiving_under_cancellation_do_nothing_at_all(autojump_clock: MockClock) -> None:
    box = make(Policy.BLOCK)
    await box.send(("a", 0))
    with trio.CancelScope() as scope:
        scope.cancel()
        await box.send(("a", 1))
    with trio.CancelScope() as other:
        other.cancel()
        await box.receive_batch()

    assert scope.cancelled_caught
    assert other.cancelled_caught
    assert box.take() == [("a", 0)]


@dataclass(frozen=True)
class Traffic:
    """Senders and readers that come, wait, are cancelled, and come again."""

    seed: int
    policy: Policy
    capacity: int
    senders: tuple[tuple[int, float], ...]  # items, cancelled every so often
    readers: tuple[tuple[int, float], ...]  # most, cancelled every so often


patience = st.sampled_from([0.0, 1.0, 1.5, 7.0, float("inf")])
traffic = st.builds(
    Traffic,
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(Policy),
    capacity=st.integers(1, 4),
    senders=st.lists(st.tuples(st.integers(1, 8), patience), min_size=1, max_size=4).map(tuple),
    readers=st.lists(st.tuples(st.integers(1, 3), patience), max_size=3).map(tuple),
)


async def run_traffic(plan: Traffic) -> None:
    """Everything sent without being cancelled arrives once, or is counted; nobody waits while there is something to do."""
    scheduler_random.seed(plan.seed)
    box = make(plan.policy, plan.capacity, trio.current_time)
    sent: list[Item] = []
    received: list[Item] = []

    async def send(name: str, items: int, patience_s: float) -> None:
        for serial in range(items):
            with trio.move_on_after(patience_s):
                await box.send((name, serial))
                sent.append((name, serial))
            box.check()
            await trio.sleep(0.5 * (serial % 3))

    async def read(most: int, patience_s: float) -> None:
        while True:
            with trio.move_on_after(patience_s):
                received.extend(await box.receive_batch(most))
            box.check()
            await trio.sleep(0.5)

    async with trio.open_nursery() as readers:
        async with trio.open_nursery() as senders:
            for number, (items, patience_s) in enumerate(plan.senders):
                senders.start_soon(send, f"s{number}", items, patience_s)
            for most, patience_s in plan.readers:
                readers.start_soon(read, most, patience_s)
            readers.start_soon(read, 1, float("inf"))  # one who is never cancelled: nothing may be left in the end
        await trio.sleep(100)
        left = len(box)
        readers.cancel_scope.cancel()

    stats = box.stats()
    assert left == 0
    assert len(received) == len(set(received)) == stats.accepted - stats.dropped - stats.conflated
    assert set(received) <= set(sent)
    assert len(sent) == stats.accepted
    for number in range(len(plan.senders)):
        own = [serial for name, serial in received if name == f"s{number}"]
        assert plan.readers or own == sorted(own)


@given(plan=traffic)
def test_whoever_is_cancelled_whenever_nothing_is_lost_or_doubled_and_nobody_sleeps_on(plan: Traffic) -> None:
    trio.run(run_traffic, plan, clock=MockClock(autojump_threshold=0))
