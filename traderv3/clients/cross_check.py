"""The actor that compares a book of each connection with the venue's REST book once a minute, and says what came out.

The REST answer may come from a cache and be `window_s` old, and our stream may lag: so a book is *witnessed*, its changes
collected from the copy on, and agrees if the REST book equals any version of it inside the window. None equal: one more
look, then the book is suspected (stale at once, its connector asks for a snapshot), a warning and a `BookDisagrees`.
Inconclusive: REST away, the market gone or stale meanwhile, a snapshot or too many changes in between.
Never: a level taken from REST; a trouble of REST made one of the stream.
Dies:  only when an invariant breaks.
"""

import enum
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.domain.book import Book, BookState
from traderv3.domain.checks import BookDisagrees
from traderv3.domain.errors import TraderError
from traderv3.protocol.rest import RestBook

CHANGES_MAX: Final = 20_000  # of one book in one look; the busiest recorded market has 14,000 in 16 s
POLL_S: Final = 1.0  # how often a look sees whether it has become pointless
IDLE_S: Final = 5.0  # how soon to look again for a live book
LOOKS: Final = 2  # one transient read is no disagreement
SCORE_CHECKS: Final = 60

Key = tuple[bool, int]  # side (YES is True) and price


class BookSource(Protocol):
    """Where the other book comes from: `RestClient`."""

    async def orderbook(self, ticker: str) -> RestBook: ...


class Outcome(enum.StrEnum):
    """What a check came to."""

    AGREED = "agreed"
    DISAGREED = "disagreed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class CrossCheckStats:
    """Checks since the start; `score` is the share that agreed among the last conclusive ones, None before the first."""

    checked: int
    agreed: int
    disagreed: int
    inconclusive: int
    score: float | None
    last_ticker: str | None
    last_outcome: Outcome | None
    last_reason: str
    last_us: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """One comparison: in how many levels the closest version differed, or (None) why nothing can be said."""

    levels_differing: int | None
    reason: str = ""


class CrossCheck:
    """Looks at the books of all connections. `books` gives those of each by name, `suspect` withdraws trust from one."""

    name = "cross_check"

    def __init__(
        self,
        rest: BookSource,
        books: Callable[[], Mapping[str, Sequence[Book]]],
        suspect: Callable[[str, str], None],
        bus: EventBus,
        *,
        wall_us: Callable[[], int],
        rng: random.Random,
        period_s: float = 60.0,
        window_s: float = 16.0,
        settle_s: float = 2.0,
    ) -> None:
        self._rest = rest
        self._books = books
        self._suspect = suspect
        self._bus = bus
        self._wall_us = wall_us
        self._rng = rng
        self._period_s = period_s
        self._window_s = window_s
        self._settle_s = settle_s
        self._round = 0
        self._seen: dict[str, int] = {}  # ticker to the round in which it was last looked at
        self._updates: dict[str, int] = {}  # ticker to its number of updates a round ago
        self._counts = dict.fromkeys(Outcome, 0)
        self._conclusive: deque[bool] = deque(maxlen=SCORE_CHECKS)
        self._last: tuple[str, Outcome, str, int] | None = None

    async def run(self, lifeline: Lifeline) -> None:
        """Check round after round, all connections of a round at once."""
        lifeline.started()
        while True:
            began = trio.current_time()
            chosen = self._choose()
            async with trio.open_nursery() as nursery:
                for connection, book in chosen:
                    nursery.start_soon(self._check, connection, book, lifeline)
            await self._rest_until(began + (self._period_s if chosen else IDLE_S), lifeline)

    def stats(self) -> CrossCheckStats:
        """What came out so far."""
        ticker, outcome, reason, at_us = self._last or (None, None, "", None)
        return CrossCheckStats(
            checked=sum(self._counts.values()),
            agreed=self._counts[Outcome.AGREED],
            disagreed=self._counts[Outcome.DISAGREED],
            inconclusive=self._counts[Outcome.INCONCLUSIVE],
            score=sum(self._conclusive) / len(self._conclusive) if self._conclusive else None,
            last_ticker=ticker,
            last_outcome=outcome,
            last_reason=reason,
            last_us=at_us,
        )

    # -- which book ------------------------------------------------------------------------------------------------

    def _choose(self) -> list[tuple[str, Book]]:
        """A live book of each connection: by turns of its busier and of its quieter half, the longest unseen of it."""
        self._round += 1
        chosen: list[tuple[str, Book]] = []
        books = self._books()
        for connection, own in books.items():
            live = [book for book in own if book.state is BookState.LIVE]
            live.sort(key=lambda book: book.updates - self._updates.get(book.ticker, 0), reverse=True)
            middle = (len(live) + 1) // 2
            half = live[middle:] if self._round % 2 == 0 and len(live) > 1 else live[:middle]
            if half:
                chosen.append(
                    (connection, min(half, key=lambda book: (self._seen.get(book.ticker, 0), self._rng.random())))
                )
        self._updates = {book.ticker: book.updates for own in books.values() for book in own}
        self._seen = {ticker: seen for ticker, seen in self._seen.items() if ticker in self._updates}
        self._seen.update((book.ticker, self._round) for _, book in chosen)
        return chosen

    # -- one check -------------------------------------------------------------------------------------------------

    async def _check(self, connection: str, book: Book, lifeline: Lifeline) -> None:
        look = Look(None)
        for _ in range(LOOKS):
            look = await self._look(book, lifeline)
            if not look.levels_differing:
                break
        if look.levels_differing is None:
            self._note(book.ticker, Outcome.INCONCLUSIVE, look.reason)
        elif look.levels_differing == 0:
            self._note(book.ticker, Outcome.AGREED, "")
        else:
            self._on_disagreement(connection, book, look.levels_differing)

    async def _look(self, book: Book, lifeline: Lifeline) -> Look:
        """Witness the book, read the other one, and see whether they were ever the same."""
        ours = _levels(book.yes, book.no)
        changes: list[tuple[bool, int, int]] = []
        book.witness = changes
        try:
            if (reason := await self._watch(book, self._window_s, lifeline)) is not None:
                return Look(None, reason)
            try:
                theirs = await self._rest.orderbook(book.ticker)
            except TraderError as exc:
                return Look(None, str(exc))
            if (reason := await self._watch(book, self._settle_s, lifeline)) is not None:
                return Look(None, reason)
            return Look(closest(ours, changes, _levels(theirs.yes, theirs.no)))
        finally:
            book.witness = None

    async def _watch(self, book: Book, duration_s: float, lifeline: Lifeline) -> str | None:
        """Wait; why the look has become pointless, or None."""
        ends_at = trio.current_time() + duration_s
        while True:
            lifeline.beat()
            if (reason := self._why_pointless(book)) is not None:
                return reason
            left_s = ends_at - trio.current_time()
            if left_s <= 0:
                return None
            await trio.sleep(min(left_s, POLL_S))

    def _why_pointless(self, book: Book) -> str | None:
        if book.state is not BookState.LIVE:
            return f"the book is {book.state.value}"
        if book.witness is None:
            return "a snapshot came"
        if len(book.witness) > CHANGES_MAX:
            return f"more than {CHANGES_MAX} changes"
        if not any(book is own for books in self._books().values() for own in books):
            return "the market has left"
        return None

    # -- what came out ---------------------------------------------------------------------------------------------

    def _on_disagreement(self, connection: str, book: Book, levels: int) -> None:
        reason = f"the venue's REST book differs in {levels} {'level' if levels == 1 else 'levels'}"
        self._note(book.ticker, Outcome.DISAGREED, reason)
        self._suspect(book.ticker, reason)
        self._bus.publish(BookDisagrees(book.ticker, connection, levels, self._wall_us()))

    def _note(self, ticker: str, outcome: Outcome, reason: str) -> None:
        self._counts[outcome] += 1
        if outcome is not Outcome.INCONCLUSIVE:
            self._conclusive.append(outcome is Outcome.AGREED)
        self._last = (ticker, outcome, reason, self._wall_us())

    async def _rest_until(self, ends_at: float, lifeline: Lifeline) -> None:
        while trio.current_time() < ends_at:
            lifeline.beat()
            await trio.sleep(min(ends_at - trio.current_time(), POLL_S))


def _levels(yes: Mapping[int, int], no: Mapping[int, int]) -> dict[Key, int]:
    return {(True, price): size for price, size in yes.items()} | {(False, price): size for price, size in no.items()}


def closest(ours: Mapping[Key, int], changes: Sequence[tuple[bool, int, int]], theirs: Mapping[Key, int]) -> int:
    """In how many levels the closest version differs from `theirs`: `ours`, or `ours` after some of the changes in turn."""
    version = dict(ours)
    differing = sum(version.get(key, 0) != theirs.get(key, 0) for key in version.keys() | theirs.keys())
    least = differing
    for is_yes, price, change in changes:
        key = (is_yes, price)
        before, wanted = version.get(key, 0), theirs.get(key, 0)
        version[key] = after = before + change
        differing += (after != wanted) - (before != wanted)
        least = min(least, differing)
    return least
