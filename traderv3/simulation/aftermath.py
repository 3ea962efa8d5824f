"""After a run: what was kept is read again. The journal replays to the same state; the database has each transition once."""

import random
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import trio
from trio.testing import MockClock

from traderv3.clients.replay import Replay
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.core.event_bus import EventBus
from traderv3.core.supervision import Backoff
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed
from traderv3.domain.state_hash import StateHash
from traderv3.domain.states import State
from traderv3.protocol.recording import Entry, RecordingProblem
from traderv3.protocol.session import SessionLimits
from traderv3.simulation.scheduler import run_seeded
from traderv3.storage.journal import journal_directory
from traderv3.storage.journal_reader import open_journal
from traderv3.storage.rows import ROW_TYPES
from traderv3.trading.pilot import Pilot

if TYPE_CHECKING:
    from traderv3.simulation.world import Outcome

_SEQS: Final = tuple(f"SELECT seq FROM {kind.table}" for kind in ROW_TYPES)  # noqa: S608 - our own names
_ENDS: Final = "SELECT state_hash FROM run_ended"
_TRANSITIONS: Final = "SELECT source, target, context FROM transitions ORDER BY seq"


class Keepings(NamedTuple):
    """What one trader kept and says that it lost."""

    settings: Settings
    transitions: tuple[StateChanged, ...]
    state_hash: str
    lost_bytes: int  # of the journal, said in it
    unwritten: int
    dropped: int  # rows, counted
    spilled: int


def check(kept: Keepings, outcome: "Outcome") -> None:
    """Note in `outcome` what is broken, if anything is."""
    outcome.broken = _check_database(kept) or _check_journal(kept, outcome)


def _check_database(kept: Keepings) -> str | None:
    if kept.dropped or kept.spilled:
        return f"at the end: {kept.dropped} rows were dropped, {kept.spilled} bytes still wait in the spill"
    url = kept.settings.database_url.reveal().removeprefix("sqlite:///")
    connection = sqlite3.connect(url)
    try:
        found = connection.execute(_TRANSITIONS).fetchall()
        ends = connection.execute(_ENDS).fetchall()
        seqs = sorted(seq for sql in _SEQS for (seq,) in connection.execute(sql))
    finally:
        connection.close()
    expected = [(each.source.value, each.target.value, each.context) for each in kept.transitions]
    if found != expected:
        return (
            f"at the end: the database has {len(found)} transitions, and {len(expected)} happened: {found} {expected}"
        )
    if seqs != list(range(1, len(seqs) + 1)):
        missing = sorted(set(range(1, (seqs or [0])[-1] + 1)) - set(seqs))
        return (
            f"at the end: {len(seqs)} rows are in the database, {len(missing)} are missing, the first is {missing[:1]}"
        )
    if ends != [(kept.state_hash,)]:
        return f"at the end: the database says that the run ended with {ends}, and it did with {kept.state_hash}"
    return None


def _check_journal(kept: Keepings, outcome: "Outcome") -> str | None:
    if kept.unwritten:
        return f"at the end: {kept.unwritten} bytes of the journal were not written"
    try:
        journal = open_journal(journal_directory(kept.settings.data_dir, kept.settings.environment.value))
    except RecordingProblem as problem:
        return f"at the end: there is no journal: {problem}"
    entries = list(journal)
    is_torn_by_us = any(fault.kind == "disk full" for fault in outcome.plan.faults)
    if journal.damages_found and not is_torn_by_us:
        return f"at the end: the journal is damaged: {list(journal.damages)[:3]}"
    is_lost = any(entry.event == "lost" for entry in entries)
    if is_lost != bool(kept.lost_bytes):
        return f"at the end: {kept.lost_bytes} bytes of the journal were lost, and it says {is_lost}"
    ends = [entry.state_hash for entry in entries if entry.event == "end"]
    if ends != [kept.state_hash]:
        return f"at the end: the journal says that the run ended with {ends}, and it did with {kept.state_hash}"
    outcome.facts["replayed"] = not is_lost
    if is_lost:
        return None  # a replay would differ, and says so
    played = run_seeded(lambda: _play(iter(entries)), 0)
    if played != kept.state_hash:
        return f"at the end: the journal replays to {played[:16]}, and the run ended with {kept.state_hash[:16]}"
    return None


async def _play(entries: Iterator[Entry]) -> str:
    """The state hash of the journal's replay: the parts that take part in one, without a tree around them."""
    now_us = 0
    feed = Feed()
    state_hash = StateHash(feed)
    bus = EventBus()
    pilot = Pilot(
        feed,
        bus,
        is_served=lambda: True,
        wall_us=lambda: now_us,
        rng=random.Random(0),
        backoff=Backoff(1e-6, 1e-6),
        record=state_hash.take,
    )
    machine, clock = pilot.machine, trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)

    async def until(at_us: int) -> None:
        nonlocal now_us
        clock.jump(max(0, at_us - now_us) / 1e6 if now_us else 0.0)
        now_us = max(now_us, at_us)

    async def follow(target: State, context: str) -> None:
        if machine.may(target):
            await machine.to(target, context)

    replay = Replay(
        feed,
        bus,
        limits=SessionLimits(chunk=LIMITS.subscribe_chunk, answer_s=LIMITS.answer_s),
        look=pilot.look,
        follow=follow,
        state=lambda: machine.state,
        excuse=machine.excuse,
    )
    await replay.play(entries, until)
    return state_hash.value()
