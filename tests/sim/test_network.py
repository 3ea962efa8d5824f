"""The simulated network does what networks do, and nothing else."""

import random

import pytest
import trio
from trio.testing import MockClock

from traderv3.simulation.network import TO_EXCHANGE, TO_TRADER, UNREAD_BYTES_MAX, Connection, FrameCount

DATA = bytes(range(256)) * 40


def connected() -> Connection:
    return Connection(1, "actor", random.Random(1), latency_s=0.5)


async def read_all(end: trio.abc.ReceiveStream) -> bytes:
    return b"".join([bytes(piece) async for piece in end])


async def read_until_broken(end: trio.abc.ReceiveStream) -> bytes:
    got = b""
    while True:
        try:
            got += await end.receive_some()
        except trio.BrokenResourceError:
            return got


async def test_bytes_arrive_in_order_and_late(autojump_clock: MockClock) -> None:
    connection = connected()
    for at in range(0, len(DATA), 1000):
        await connection.exchange_end.send_all(DATA[at : at + 1000])
    await connection.exchange_end.aclose()

    assert await read_all(connection.trader_end) == DATA
    assert trio.current_time() == 0.5


async def test_a_held_pipe_brings_nothing_until_it_is_let_go(autojump_clock: MockClock) -> None:
    connection = connected()
    connection.pipes[TO_TRADER].held_until_s = 30.0
    await connection.exchange_end.send_all(b"x")

    assert await connection.trader_end.receive_some() == b"x"
    assert trio.current_time() == 30.0


async def test_a_cut_comes_after_so_many_bytes_and_breaks_both_ends(autojump_clock: MockClock) -> None:
    connection = connected()
    connection.pipes[TO_TRADER].cut_in = 5
    await connection.exchange_end.send_all(DATA)

    assert await read_until_broken(connection.trader_end) == DATA[:5]
    with pytest.raises(trio.BrokenResourceError):
        await connection.exchange_end.send_all(b"x")


async def test_who_sends_to_nobody_waits(autojump_clock: MockClock) -> None:
    connection = connected()
    await connection.exchange_end.send_all(bytes(UNREAD_BYTES_MAX))
    with trio.move_on_after(60) as waiting:
        await connection.exchange_end.send_all(b"x")

    assert waiting.cancelled_caught


async def test_a_closed_end_ends_the_other(autojump_clock: MockClock) -> None:
    connection = connected()
    await connection.trader_end.aclose()

    assert await connection.exchange_end.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await connection.exchange_end.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await connection.trader_end.send_all(b"x")
    assert connection.pipes[TO_EXCHANGE].arrived.messages == 0


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_text_messages_are_counted_however_they_come(piece: int) -> None:
    frames = b"\x81\x02ab" + b"\x89\x00" + b"\x81\x7e\x00\x80" + bytes(128) + b"\x82\x01z" + b"\x81\x00"
    stream = b"HTTP/1.1 101 X\r\na: b\r\n\r\n" + frames
    count = FrameCount()
    for at in range(0, len(stream), piece):
        count.take(stream[at : at + piece])

    assert count.messages == 3
