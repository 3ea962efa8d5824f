"""The engine's inbox: everything in its order, and a loss that is told where it was."""

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from traderv3.domain.execution import Missed
from traderv3.trading.inbox import Inbox


async def test_items_come_out_in_their_order() -> None:
    inbox = Inbox[int]()
    for number in range(5):
        inbox.put(number)

    assert list(inbox.take(3)) == [0, 1, 2]
    assert list(inbox.take()) == [3, 4]
    assert list(inbox.take()) == []


async def test_a_full_inbox_tells_of_the_loss_where_it_was() -> None:
    inbox = Inbox[int](4)
    for number in range(10):
        inbox.put(number)
    taken = list(inbox.take())
    inbox.put(10)

    assert taken[:3] == [0, 1, 2]
    assert isinstance(taken[3], Missed)
    assert list(inbox.take()) == [10]
    assert inbox.stats().dropped == 7


@given(st.lists(st.one_of(st.none(), st.integers(1, 6)), max_size=60))
def test_nothing_is_lost_without_a_mark(steps: list[int | None]) -> None:
    async def live() -> None:
        inbox = Inbox[int](4)
        told: list[int | Missed] = []
        put = 0
        for step in steps:
            if step is None:
                inbox.put(put)
                put += 1
            else:
                told += inbox.take(step)
            assert len(inbox) <= 4
        told += inbox.take()

        expected = 0
        for item in told:
            if isinstance(item, Missed):
                expected = -1
            else:
                assert item == expected or expected == -1
                expected = item + 1
        assert expected in (put, -1)

    trio.run(live)


async def test_whoever_breaks_has_lost_one_item_only() -> None:
    inbox = Inbox[int]()
    for number in range(3):
        inbox.put(number)
    for _ in inbox.take():
        break

    assert list(inbox.take()) == [1, 2]


async def test_a_wake_is_not_lost_on_whoever_does_not_wait_yet(autojump_clock: MockClock) -> None:
    inbox = Inbox[int]()
    inbox.wake()
    with trio.fail_after(1):
        await inbox.wait()
    with trio.move_on_after(1) as scope:
        await inbox.wait()

    assert scope.cancelled_caught


async def test_a_waiting_reader_is_woken_by_an_item_and_by_a_word() -> None:
    inbox = Inbox[int]()
    woken = 0

    async def read() -> None:
        nonlocal woken
        while True:
            await inbox.wait()
            list(inbox.take())
            woken += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        for stir in (inbox.wake, lambda: inbox.put(1)):
            await wait_all_tasks_blocked()
            stir()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert woken == 2
