"""One number for everything a run came to: books, counters and the way through the states. Equal hashes, equal runs.

A replay of a recording ends with the same hash every time, and with that of the live run that recorded it.
Never: anything of the wall clock, of the machine or of chance.
"""

import hashlib
from dataclasses import asdict

from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed


class StateHash:
    """Follows the transitions, and reads the rest from the feed when asked."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._path = hashlib.sha256()

    def take(self, change: StateChanged) -> None:
        """The machine moved."""
        self._path.update(f"{change.source}>{change.target}\n".encode())

    def value(self) -> str:
        """SHA-256 in hex of every book (state, levels, last sequence number), every counter of the books, and the path."""
        digest = self._path.copy()
        for ticker in sorted(self._feed.books):
            book = self._feed.books[ticker]
            levels = (book.levels(is_yes=True), book.levels(is_yes=False))
            digest.update(f"{ticker} {book.state} {book.seq} {book.updates} {levels}\n".encode())
        for name, value in sorted(asdict(self._feed.counters).items()):
            digest.update(f"{name}={value}\n".encode())
        return digest.hexdigest()
