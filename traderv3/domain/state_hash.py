"""One number for everything a run came to: books, counters and transitions. Equal hashes, equal runs.

A replay of a recording ends with the same hash every time, and with that of the live run that recorded it.
Never: anything of the wall clock, of the machine or of chance.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict

from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed


def state_hash(feed: Feed, transitions: Iterable[StateChanged]) -> str:
    """SHA-256 in hex of every book (state, levels, last sequence number), every counter, and the way through the states."""
    digest = hashlib.sha256()
    for ticker in sorted(feed.books):
        book = feed.books[ticker]
        levels = (book.levels(is_yes=True), book.levels(is_yes=False))
        digest.update(f"{ticker} {book.state} {book.seq} {book.updates} {levels}\n".encode())
    for name, value in sorted(asdict(feed.counters).items()):
        digest.update(f"{name}={value}\n".encode())
    for change in transitions:
        digest.update(f"{change.source}>{change.target}\n".encode())
    return digest.hexdigest()
