"""Every recorded session under faults: no book is ever readable as live while wrong, and all heal when the faults stop.

The world, its line and its oracle are `tests.conformance.faulty_line`; here are the runs, and clients broken on purpose.
Measured: a run costs about 17 us a frame, so 20 seeds of all eight sessions (1.29 million frames) take some 8 minutes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.conformance.faulty_line import simulate
from traderv3.domain.book import Book
from traderv3.protocol.session import BookSession

SESSIONS: Final = [
    "btc15m-20260511T0537",
    "btc15m-20260513T1541",
    "btc15m-20260514T0438",
    "btc15m-20260515T1130",
    "btcrange-20260418-frames",
    "mixed-20260701-session",
    "nba-20260307-6mkt",
    "ufc-20260307-2mkt",
]
FRAMES_SHORT: Final = 3_000
MUTANT_SEEDS_MAX: Final = 20  # swarms leave kinds of faults out; a mutant must meet its own


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", SESSIONS)
def test_the_beginning_of_a_session_under_faults_is_never_live_and_wrong(
    recordings: Path, name: str, seed: int
) -> None:
    world = simulate(recordings, name, seed, FRAMES_SHORT)

    assert world.compared > 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", SESSIONS)
def test_a_whole_session_under_faults_is_never_live_and_wrong(recordings: Path, name: str, seed: int) -> None:
    world = simulate(recordings, name, seed, None)

    assert world.compared > 0


# -- the oracle can fail -----------------------------------------------------------------------------------------------


class Renumbering(BookSession):
    """A client that is blind to something about numbers: what it should have noticed is given the next number."""

    is_blind_to_gaps = is_blind_to_repeats = is_blind_to_the_past = False
    _true_seq: dict[int, int]
    _shift: dict[int, int]
    _last: bytes

    def commands(self, *, at_us: int, now_s: float) -> list[bytes]:
        if not hasattr(self, "_shift"):
            self._shift, self._true_seq, self._last = {}, {}, b""
        return super().commands(at_us=at_us, now_s=now_s)

    def receive(self, frames: Iterable[bytes], *, at_us: int, now_s: float) -> None:
        super().receive([self._renumbered(frame) for frame in frames], at_us=at_us, now_s=now_s)

    def _renumbered(self, frame: bytes) -> bytes:
        try:
            message = msgspec.json.decode(frame)
            sid, seq = message["sid"], message["seq"]
        except (msgspec.MsgspecError, UnicodeError, KeyError, TypeError):
            return frame
        last, shift = self._true_seq.get(sid, 0), self._shift.get(sid, 0)
        is_repeat, self._last = frame == self._last, frame
        number = seq + shift
        if seq > last + 1 and self.is_blind_to_gaps:
            number = last + 1 + shift
            self._shift[sid] = number - seq
        elif seq <= last and (self.is_blind_to_repeats if is_repeat else self.is_blind_to_the_past):
            number = last + 1 + shift
            self._shift[sid] = shift + 1
        self._true_seq[sid] = max(seq, last)
        return msgspec.json.encode({**message, "seq": number})


class IgnoresGaps(Renumbering):
    is_blind_to_gaps = True


class AppliesDuplicates(Renumbering):
    is_blind_to_repeats = True


class AcceptsLateFrames(Renumbering):
    is_blind_to_the_past = True


class BelievesALostConnection(BookSession):
    def lost(self, reason: str) -> None:
        pass


class OverlooksTheEndOfAStream(BookSession):
    def receive(self, frames: Iterable[bytes], *, at_us: int, now_s: float) -> None:
        super().receive([frame for frame in frames if b'"type":"error"' not in frame], at_us=at_us, now_s=now_s)


def find(folder: Path, session_type: type[BookSession] = BookSession) -> None:
    """Play seed after seed until the oracle objects."""
    for seed in range(MUTANT_SEEDS_MAX):
        simulate(folder, "ufc-20260307-2mkt", seed, FRAMES_SHORT, session_type)


@pytest.mark.parametrize("broken", [IgnoresGaps, AppliesDuplicates, AcceptsLateFrames])
def test_a_client_that_is_blind_to_numbers_is_found_with_a_wrong_book(
    recordings: Path, broken: type[BookSession]
) -> None:
    with pytest.raises(AssertionError, match="is live and wrong"):
        find(recordings, broken)


def test_renumbering_alone_breaks_nothing(recordings: Path) -> None:
    find(recordings, Renumbering)


def test_a_client_that_believes_a_lost_connection_is_found(recordings: Path) -> None:
    with pytest.raises(AssertionError, match="live without a connection"):
        find(recordings, BelievesALostConnection)


def test_a_client_that_overlooks_the_end_of_a_stream_is_found_because_it_never_heals(recordings: Path) -> None:
    with pytest.raises(AssertionError, match="not healed"):
        find(recordings, OverlooksTheEndOfAStream)


def test_a_client_that_never_marks_a_book_stale_is_found(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Book, "mark_stale", lambda _book, _reason: False)
    with pytest.raises(AssertionError, match=r"is live and wrong|live without a connection"):
        find(recordings)


def test_a_client_that_merges_snapshots_is_found(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Book.replace

    def merge(book: Book, yes: Iterable[tuple[int, int]], no: Iterable[tuple[int, int]]) -> None:
        replace(book, [*book.yes.items(), *yes], [*book.no.items(), *no])

    monkeypatch.setattr(Book, "replace", merge)
    with pytest.raises(AssertionError, match="is live and wrong"):
        find(recordings)
