"""Where the time of the feed path goes: each stage by itself, on batches in memory, in processor time.

The stages of one batch follow one another in the trader, so their sum is what the loop's thread cannot go below; what the
whole path takes beyond it (`feed`, "of its thread") is Trio, the system calls and what is done once a batch.
Run: python -m benchmarks.feed_stages [--quick]
"""

import itertools
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.rounds import Report, arguments, in_turns, spread
from benchmarks.stream import MARKETS, framed, messages, tickers
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol import wire
from traderv3.protocol.frames import FrameReader
from traderv3.protocol.session import BookSession
from traderv3.storage.journal_queue import frames_item

MESSAGES: Final = 60_000
QUICK_MESSAGES: Final = 10_000
READ_BYTES: Final = 64 * 1024


def main() -> int:
    args = arguments(__doc__, rounds=9)
    count = 1 + MARKETS + (QUICK_MESSAGES if args.is_quick else MESSAGES)
    stream = list(itertools.islice(messages(), count))
    head, deltas = stream[: 1 + MARKETS], stream[1 + MARKETS :]
    wire_bytes = b"".join(map(framed, deltas))
    chunks = [wire_bytes[at : at + READ_BYTES] for at in range(0, len(wire_bytes), READ_BYTES)]
    batches = _split(chunks)

    def timed(stage: Callable[[], object]) -> Callable[[], float]:
        def run() -> float:
            began_s = time.process_time()
            stage()
            return (time.process_time() - began_s) / len(deltas) * 1e6

        return run

    def books() -> float:
        session = _begun(head)
        took = timed(lambda: _receive(session, batches))()
        assert session.last_seq == count - 1
        return took

    def alone() -> float:
        """Each message a batch of its own, as in a quiet minute, but with warm caches."""
        session, reader = _begun(head), FrameReader()
        alike = [framed(message) for message in deltas]

        def take_each() -> None:
            for frame in alike:
                messages_of_it, _ = reader.receive(frame)
                session.receive(messages_of_it, at_us=0, now_s=0.0)
                frames_item(messages_of_it, at_us=1, conn=1, is_inbound=True, is_json=True)

        took = timed(take_each)()
        assert session.last_seq == count - 1
        return took

    stages = {
        "read from a socket pair": timed(lambda: _read(chunks)),
        "split into frames": timed(lambda: _split(chunks)),
        "decode": timed(lambda: [list(map(wire.FRAME.decode, batch)) for batch in batches]),
        "decode, sequence check, book and best": books,
        "lines for the journal": timed(
            lambda: [frames_item(batch, at_us=1, conn=1, is_inbound=True, is_json=True) for batch in batches]
        ),
        "split to journal line, each message by itself": alone,
    }
    report = Report("feed_stages", args)
    for name, took in in_turns(stages, rounds=args.rounds).items():
        report.figure(f"stage: {name}", spread(took), "us a message")
    return report.finish()


def _begun(head: Sequence[bytes]) -> BookSession:
    """A session that has taken its snapshots."""
    session = BookSession("bench", {ticker: Book(ticker) for ticker in tickers()}, FeedCounters())
    session.commands(at_us=0, now_s=0.0)
    session.receive(head, at_us=0, now_s=0.0)
    return session


def _split(chunks: Sequence[bytes]) -> list[list[bytes]]:
    reader = FrameReader()
    return [reader.receive(chunk)[0] for chunk in chunks]


def _receive(session: BookSession, batches: Sequence[list[bytes]]) -> None:
    for batch in batches:
        session.receive(batch, at_us=0, now_s=0.0)


def _read(chunks: Sequence[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for chunk in chunks:
            theirs.sendall(chunk)
            left = len(chunk)
            while left:
                left -= len(ours.recv(READ_BYTES))


if __name__ == "__main__":
    sys.exit(main())
