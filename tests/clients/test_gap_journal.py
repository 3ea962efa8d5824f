"""The gap journal: what was lost, how it was mended, how long books were stale."""

from collections import deque

from traderv3.clients.gap_journal import GapJournal
from traderv3.domain.events import BooksRepaired, GapDetected
from traderv3.domain.feed import GapEntry


def gap(number: int, at_us: int) -> GapDetected:
    return GapDetected("one", 1, 5, 8, 3, at_us, number=number)


def test_a_repair_ends_the_gaps_it_names_with_how_and_how_long() -> None:
    entries: deque[GapEntry] = deque()
    journal = GapJournal(entries, "one")

    journal.take(gap(1, 1_000_000))
    journal.take(gap(2, 1_500_000))
    open_then = [entry.how for entry in entries]
    journal.take(BooksRepaired("one", 900, 2_000_000, how="snapshot", books=3, gaps=(1, 2)))

    assert open_then == [None, None]
    assert list(entries) == [
        GapEntry("one", 1_000_000, "gap: expected 5, got 8 (sid 1)", 3, 3, "snapshot", 1000),
        GapEntry("one", 1_500_000, "gap: expected 5, got 8 (sid 1)", 3, 3, "snapshot", 500),
    ]


def test_what_a_lost_connection_left_is_dropped_when_nothing_is_carried_any_more() -> None:
    entries: deque[GapEntry] = deque()
    journal = GapJournal(entries, "one")
    journal.take(gap(1, 1_000_000))
    journal.lost()
    journal.dropped(1_500_000)

    assert [(entry.how, entry.stale_ms) for entry in entries] == [("dropped", 500)]
    assert not journal.waits_for_whole


def test_what_a_lost_connection_left_is_mended_by_the_next_one_however_it_numbers_its_own() -> None:
    entries: deque[GapEntry] = deque()
    journal = GapJournal(entries, "one")
    journal.take(gap(1, 1_000_000))
    journal.lost()
    journal.take(gap(1, 3_000_000))

    journal.take(BooksRepaired("one", 1, 3_001_000, how="resubscribe", books=3, gaps=(1,)))
    journal.whole(3_002_000)

    assert [(entry.how, entry.stale_ms) for entry in entries] == [("reconnect", 2002), ("resubscribe", 1)]
    assert not journal.waits_for_whole
