"""A guard, no measurement: the feed path must not fall back to what trio-websocket costs message by message.

Both sides take the same bytes from memory in one process and end with the same books; processor time is compared, the best
of a few rounds, and what must hold here is far below what is measured on a quiet machine (10 times).
"""

import itertools
import time
from collections.abc import Awaitable, Callable

import trio
import trio_websocket
from trio.testing import memory_stream_pair

from benchmarks.stream import fingerprint, framed, messages, tickers
from traderv3.clients.transport import BatchStream
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.session import BookSession

AT_LEAST = 4.0
MESSAGES = 12_000
ROUNDS = 4
CHUNK = 64 * 1024
HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
WIRE = b"".join(framed(message) for message in itertools.islice(messages(), MESSAGES))

Candidate = Callable[[BookSession], Awaitable[None]]


async def ours(session: BookSession) -> None:
    """Batches out of our stream into the session."""
    source, sink = memory_stream_pair()
    stream = BatchStream(sink)

    async def be_trio_websocket() -> None:
        while await stream.receive_some():
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, source, HEAD)
        nursery.start_soon(be_trio_websocket)
        await stream.answered.wait()
        nursery.start_soon(say, source, WIRE)
        while batch := await stream.receive_batch():
            session.receive(batch, at_us=0, now_s=0.0)
            if session.last_seq == MESSAGES - 1:
                break
        await source.aclose()


async def plain(session: BookSession) -> None:
    """trio-websocket, a message at a time, into the same session."""
    client_end, server_end = memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            request = await trio_websocket.wrap_server_stream(nursery, server_end)
            await request.accept()
            await say(server_end, WIRE)

        nursery.start_soon(serve)
        socket = await trio_websocket.wrap_client_stream(
            nursery,
            client_end,  # type: ignore[arg-type]  # any trio Stream works
            "bench",
            "/",
            receive_buffer_size=CHUNK,
        )
        while session.last_seq < MESSAGES - 1:
            message = await socket.get_message()
            assert isinstance(message, str)
            session.receive([message.encode()], at_us=0, now_s=0.0)
        nursery.cancel_scope.cancel()


async def say(stream: trio.abc.SendStream, data: bytes) -> None:
    for at in range(0, len(data), CHUNK):
        await stream.send_all(data[at : at + CHUNK])


def cost(candidate: Candidate) -> tuple[float, str]:
    """Processor seconds of one round, and the books at its end."""
    session = BookSession("guard", {ticker: Book(ticker) for ticker in tickers()}, FeedCounters())
    session.commands(at_us=0, now_s=0.0)
    began = time.process_time()
    trio.run(candidate, session)
    took_s = time.process_time() - began
    return took_s, fingerprint((ticker, book.yes, book.no) for ticker, book in session.books.items())


def test_the_feed_path_is_far_from_a_task_switch_a_message() -> None:
    rounds = [(cost(ours), cost(plain)) for _ in range(ROUNDS)]
    our_s, plain_s = (min(pair[side][0] for pair in rounds) for side in (0, 1))

    assert len({books for pair in rounds for _, books in pair}) == 1
    assert plain_s / our_s >= AT_LEAST, f"{plain_s / our_s:.1f} times, should be about 10"
