"""Decode, sequence check and book of ours, a message at a time: what general WebSocket libraries are given to do.

Imports of the trader only what needs nothing but msgspec, so that it runs in the peers' environment.
Never: more around the work on a message than there must be. A peer is not to look slow for our sake.
"""

import time
from collections.abc import Callable
from typing import Any

from benchmarks.peers.work import Job, Watch
from benchmarks.stream import fingerprint, tickers
from traderv3.domain.book import Book
from traderv3.domain.feed import FeedCounters
from traderv3.protocol import wire
from traderv3.protocol.sequence import NEXT
from traderv3.protocol.session import BookSession, SessionLimits


class Work:
    """Our decode, sequence check and book for one connection, as one plain function of a message: `take`.

    `take` says True once all of the job's messages have been taken.
    """

    def __init__(self, job: Job) -> None:
        self.watch = Watch(job)
        self.counters = FeedCounters()
        self.books = {ticker: Book(ticker) for ticker in tickers(job.markets)}
        self._session = BookSession("bench", self.books, self.counters, SessionLimits(chunk=job.markets))
        self._session.commands(at_us=0, now_s=0.0)
        self.take = self._make_take(job)

    def _make_take(self, job: Job) -> Callable[[Any], bool]:
        session, watch = self._session, self.watch
        decode, delta = wire.FRAME.decode, wire.Delta
        judge, apply = session._subscription.sequence.take, session._keeper.on_deltas
        counters, head, last = self.counters, job.head, job.count
        moments, now_ns = watch.done_at_ns if job.moments else None, time.monotonic_ns
        taken = 0

        def take(raw: bytes) -> bool:
            nonlocal taken
            frame = decode(raw) if taken >= head else None
            if type(frame) is delta and frame.sid == 1 and judge(frame.seq, raw) is NEXT:
                counters.messages += 1
                apply((frame,), 0, 0.0)
            else:
                session.receive([raw], at_us=0, now_s=0.0)
            taken += 1
            if moments is not None:
                moments.append(now_ns())
            if taken == head:
                watch.start()
            elif taken == last:
                watch.stop()
                return True
            return False

        return take

    def answer(self) -> dict[str, Any]:
        """What the benchmark is told; the books are whole, or this raises."""
        counters = self.counters
        lost = (counters.gaps, counters.protocol_errors, counters.negative_levels, counters.deltas_unused)
        assert lost == (0, 0, 0, 0), lost
        return self.watch.answer(fingerprint((ticker, book.yes, book.no) for ticker, book in self.books.items()))
