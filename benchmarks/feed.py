"""The feed path without a network: bytes -> frames -> decode -> sequence check -> book, against trio-websocket's own path.

Both read the same bytes from an in-memory stream and end with the same books. Rounds are interleaved; the printed ratio
is of the medians. Run: python -m benchmarks.feed
"""

import random
import statistics
import time
from collections.abc import Awaitable, Callable

import trio
import trio_websocket
from trio.testing import memory_stream_pair

from traderv3.clients.transport import BatchStream
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol.session import BookSession

MARKETS = 50
MESSAGES = 40_000
ROUNDS = 5
CHUNK = 64 * 1024
HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def make_messages() -> list[bytes]:
    """A seeded stream: a snapshot a market, then deltas that never make a level negative."""
    rng = random.Random(1)
    sizes: dict[tuple[int, str, int], int] = {}
    messages = [b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}']
    for seq in range(1, MESSAGES + 1):
        market = seq - 1 if seq <= MARKETS else rng.randrange(MARKETS)
        if seq <= MARKETS:
            body = f'"market_ticker":"KX-{market}","market_id":"","clock":{seq}'
            messages.append(b'{"type":"orderbook_snapshot","sid":1,"seq":%d,"msg":{%s}}' % (seq, body.encode()))
            continue
        side, price = rng.choice(("yes", "no")), rng.randrange(1, 50)
        held = sizes.get((market, side, price), 0)
        change = rng.choice([10_000, 2_500, -held]) if held else 10_000
        sizes[market, side, price] = held + change
        sign = "-" if change < 0 else ""
        body = (
            f'"market_ticker":"KX-{market}","market_id":"","clock":{seq},"price_dollars":"0.{price:02d}00",'
            f'"delta_fp":"{sign}{abs(change) // 100}.{abs(change) % 100:02d}","side":"{side}","ts_ms":{seq}'
        )
        messages.append(b'{"type":"orderbook_delta","sid":1,"seq":%d,"msg":{%s}}' % (seq, body.encode()))
    return messages


def frame(payload: bytes) -> bytes:
    length = len(payload)
    head = bytes([0x81, length]) if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big")
    return head + payload


def new_session() -> BookSession:
    session = BookSession("bench", {f"KX-{n}": Book(f"KX-{n}") for n in range(MARKETS)}, FeedCounters())
    session.commands(at_us=0, now_s=0.0)
    return session


async def ours(wire: bytes) -> BookSession:
    source, sink = memory_stream_pair()
    stream, session = BatchStream(sink), new_session()

    async def read() -> None:
        while await stream.receive_some():
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed, source, HEAD + wire)
        nursery.start_soon(read)
        async for batch in stream.batches:
            session.receive(batch, at_us=0, now_s=0.0)
    return session


async def feed(source: trio.abc.SendStream, data: bytes) -> None:
    for at in range(0, len(data), CHUNK):
        await source.send_all(data[at : at + CHUNK])
    await source.aclose()


async def theirs(wire: bytes) -> BookSession:
    """trio-websocket message by message, then the same decode, check and book."""
    client_end, server_end = memory_stream_pair()
    session = new_session()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            request = await trio_websocket.wrap_server_stream(nursery, server_end)
            await request.accept()
            await feed(server_end, wire)

        nursery.start_soon(serve)
        socket = await trio_websocket.wrap_client_stream(
            nursery,
            client_end,  # type: ignore[arg-type]  # any trio Stream works
            "bench",
            "/",
            receive_buffer_size=CHUNK,
        )
        try:
            while True:
                message = await socket.get_message()
                raw = message.encode() if isinstance(message, str) else message
                session.receive([raw], at_us=0, now_s=0.0)
        except trio_websocket.ConnectionClosed:
            nursery.cancel_scope.cancel()
    return session


def main() -> None:
    messages = make_messages()
    wire = b"".join(frame(message) for message in messages)
    candidates: dict[str, Callable[[bytes], Awaitable[BookSession]]] = {"ours": ours, "trio-websocket": theirs}
    took: dict[str, list[float]] = {name: [] for name in candidates}
    books = []
    for _ in range(ROUNDS):
        for name, run in candidates.items():
            began = time.perf_counter()
            session = trio.run(run, wire)
            took[name].append((time.perf_counter() - began) / len(messages) * 1e6)
            books.append({ticker: (book.yes, book.no) for ticker, book in session.books.items()})
    assert all(each == books[0] for each in books), "the candidates disagree about the books"
    for name, each in took.items():
        print(f"{name}: {statistics.median(each):.2f} us a message")
    print(f"ratio {statistics.median(took['trio-websocket']) / statistics.median(took['ours']):.1f}")


if __name__ == "__main__":
    main()
