"""Which markets wait for a snapshot: since when it has been due, whether it was asked for, and how patient to be.

A market whose book proves wrong again and again is asked for ever later, so that a venue whose own snapshot is wrong is
not hammered.
Units: seconds of any monotonic clock.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class _Repair:
    due_s: float
    asked_s: float | None = None
    asks: int = 0


class Repairs:
    """The wanted snapshots of one connection by ticker.

    `answer_s`: unanswered for so long, a snapshot is asked for again; after `asks_max` requests the venue ignores us.
    `first_s`, `most_s`: the second repair in a row of one market waits `first_s`, each further one twice as long; a book
    that stood for `calm_s` since its snapshot begins a new row.
    """

    def __init__(self, *, answer_s: float, asks_max: int, first_s: float, most_s: float, calm_s: float) -> None:
        self._answer_s = answer_s
        self._asks_max = asks_max
        self._first_s = first_s
        self._most_s = most_s
        self._calm_s = calm_s
        self._wanted: dict[str, _Repair] = {}
        self._in_a_row: dict[str, int] = {}  # repairs of one market's own
        self._settled_s: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def __contains__(self, ticker: str) -> bool:
        return ticker in self._wanted

    def clear(self) -> None:
        """Nothing is wanted any more; how often a market was wrong in a row is remembered."""
        self._wanted.clear()

    def expect(self, tickers: Iterable[str], *, now_s: float) -> None:
        """Snapshots that come by themselves, with a subscription."""
        for ticker in tickers:
            self._wanted[ticker] = _Repair(due_s=now_s, asked_s=now_s)

    def want(self, ticker: str, *, due_s: float) -> None:
        """A snapshot to ask for at `due_s`; what was asked for before counts no more."""
        self._wanted[ticker] = _Repair(due_s=due_s)

    def want_patiently(self, ticker: str, *, now_s: float) -> bool:
        """A snapshot of a market that proved wrong by itself: at once, or later if that happens again and again.

        True if it has happened so often that the venue's own snapshots must be wrong.
        """
        stood_s = now_s - self._settled_s.get(ticker, now_s)
        in_a_row = 1 if stood_s >= self._calm_s else self._in_a_row.get(ticker, 0) + 1
        self._in_a_row[ticker] = in_a_row
        wait_s = 0.0 if in_a_row == 1 else min(self._first_s * 2.0 ** min(in_a_row - 2, 30), self._most_s)
        self.want(ticker, due_s=now_s + wait_s)
        return in_a_row > self._asks_max

    def is_asked(self, ticker: str) -> bool:
        """Whether a snapshot of this market is on its way."""
        repair = self._wanted.get(ticker)
        return repair is not None and repair.asked_s is not None

    def ask_again(self, tickers: Iterable[str], *, due_s: float) -> None:
        """The request failed, but not for the sake of these: they are due anew at `due_s`."""
        for ticker in tickers:
            if ticker in self._wanted:
                self._wanted[ticker].asked_s = None
                self._wanted[ticker].due_s = due_s

    def settle(self, ticker: str, *, now_s: float) -> None:
        """The snapshot came."""
        self._wanted.pop(ticker, None)
        self._settled_s[ticker] = now_s

    def forget(self, ticker: str) -> None:
        """The market is not ours any more."""
        self._wanted.pop(ticker, None)
        self._in_a_row.pop(ticker, None)
        self._settled_s.pop(ticker, None)

    def take_due(self, *, now_s: float, but_not: Collection[str]) -> list[str]:
        """Tickers to ask for now, in the order they were wanted; from now on they count as asked for."""
        late_s = now_s - self._answer_s
        due = [
            ticker
            for ticker, repair in self._wanted.items()
            if repair.due_s <= now_s and (repair.asked_s is None or repair.asked_s <= late_s) and ticker not in but_not
        ]
        for ticker in due:
            repair = self._wanted[ticker]
            repair.asked_s = now_s
            repair.asks += 1
        return due

    def take_ignored(self, *, now_s: float) -> list[str]:
        """Tickers whose snapshot the venue left unanswered once too often; they are asked for again in `most_s`."""
        if not self._wanted:  # as at nearly every step
            return []
        late_s = now_s - self._answer_s
        ignored = [
            ticker
            for ticker, repair in self._wanted.items()
            if repair.asks >= self._asks_max and repair.asked_s is not None and repair.asked_s <= late_s
        ]
        for ticker in ignored:
            self.want(ticker, due_s=now_s + self._most_s)
        return ignored
