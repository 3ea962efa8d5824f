"""The gap journal of one connection: each loss in the stream, how it was repaired, and how long books were stale for it.

Never: more lines than the feed keeps (`domain.feed.GAPS_KEPT`); an old one makes room for a new one.
"""

from collections import deque

from traderv3.domain.events import BooksRepaired, FeedEvent, GapDetected
from traderv3.domain.feed import GapEntry


class GapJournal:
    """Writes lines into `entries`, which all connections share; what it holds of them is read back from there."""

    def __init__(self, entries: deque[GapEntry], connection: str) -> None:
        self._entries = entries
        self._connection = connection
        self._orphans = self._open()  # left unrepaired by a connection that ended

    def _open(self) -> list[GapEntry]:
        return [entry for entry in self._entries if entry.connection == self._connection and entry.how is None]

    def take(self, notice: FeedEvent) -> None:
        """Note a loss, or the repair of all that this connection lost."""
        match notice:
            case GapDetected():
                what = f"{notice.kind}: expected {notice.expected}, got {notice.got} (sid {notice.sid})"
                self._entries.append(GapEntry(self._connection, notice.at_us, what, notice.missing, notice.books))
            case BooksRepaired() if notice.gaps:
                for entry in self._open():
                    if all(entry is not orphan for orphan in self._orphans):
                        _end(entry, notice.how, notice.at_us)

    def lost(self) -> None:
        """The connection is gone, and what it left unrepaired is the next one's to mend."""
        self._orphans = self._open()

    @property
    def waits_for_whole(self) -> bool:
        """Whether an earlier connection left something unrepaired."""
        return bool(self._orphans)

    def whole(self, at_us: int) -> None:
        """Every book of the connection is live."""
        for entry in self._orphans:
            _end(entry, "reconnect", at_us)
        self._orphans = []

    def dropped(self, at_us: int) -> None:
        """Nothing is carried any more: what was stale is not ours, and no later connection will mend it."""
        for entry in self._orphans:
            _end(entry, "dropped", at_us)
        self._orphans = []


def _end(entry: GapEntry, how: str, at_us: int) -> None:
    entry.how, entry.stale_ms = how, max(0, at_us - entry.at_us) // 1000  # the wall clock may have been set back
