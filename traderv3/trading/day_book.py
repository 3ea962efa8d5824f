"""What the day has brought, kept over restarts: orders sent, turnover, profit and loss, and the stops that it set off.

A stop locks new exposure of the account or of one strategy, with a rule, a reason and an expiry: a day's loss until the next
midnight (UTC), a drawdown for `lock_s`; both for `lock_s` at the least. A lock holds from the step in which the loss is seen,
and again after a restart. Time ends it: the drawdown then counts from there, the loss of a day always from its midnight. A
person ends it (`lift`): both then count from there.
`equity` (money and what is held at the market's price) is compared over restarts, so that a loss made while we were down is
one; money paid in or out looks like profit or loss. A strategy's profit is known per process: what it had is carried over.
On disk: `<data dir>/<environment>/day.json`, written whole, at most once a second. A crash loses that second of counts.
Units: money 1e-6 dollar, times microseconds since the epoch.
Never: a lock that a restart, a full disk or a number that cannot be had takes away.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from traderv3.core.disk import Blocking, replace_file
from traderv3.core.lifeline import Lifeline
from traderv3.domain.risk_limits import DayLimits
from traderv3.domain.units import Money, format_money

log = structlog.get_logger(component="risk")

ACCOUNT: Final = "account"  # the scope beside the strategies' names
DAY_US: Final = 86_400_000_000
MINUTE_US: Final = 60_000_000
LEAP_US: Final = 1_000_000  # an order so far ahead was sent by a clock that was set back since
BLIND_US: Final = 30_000_000
KEEP_S: Final = 1.0
SENT_MAX: Final = 10_000  # of the last minute; the venue's highest tier takes 800 orders a second, ours asks 10
LOCKS_MAX: Final = 64
NO_MONEY: Final = Money(0)


@dataclass(frozen=True, slots=True)
class StopLock:
    """New exposure is locked. `scope`: the account, or a strategy's name."""

    rule: str
    scope: str
    reason: str
    since_us: int
    until_us: int


class Sent(msgspec.Struct, frozen=True, gc=False):
    """One order that went out."""

    at_us: int
    ticker: str
    strategy: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands now. None: it cannot be said, and no stop is judged by it. `turnover`: what fills cost, since ever."""

    equity: Money | None
    pnl: Mapping[str, Money]
    turnover: Money


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What risk reads. `recent`: the orders of the last minute, oldest first; `losses` and `drawdowns` by scope, from 0 up."""

    orders: int = 0
    turnover: Money = NO_MONEY
    recent: Sequence[Sent] = ()
    locks: tuple[StopLock, ...] = ()
    is_blind: bool = False  # for `BLIND_US` nobody could say what the account is worth: no stop would be set off
    losses: Mapping[str, Money] = field(default_factory=dict)
    drawdowns: Mapping[str, Money] = field(default_factory=dict)


class _Track(msgspec.Struct):
    """One scope's value over the day, as it is kept: where the day began, the highest point, the latest."""

    began: int
    highest: int
    latest: int


class _Kept(msgspec.Struct):
    """The file."""

    day: int  # since the epoch
    orders: int = 0
    turnover: int = 0
    tracks: dict[str, _Track] = {}
    locks: list[StopLock] = []


class DayBook:
    """Made once; the engine writes it, the actor keeps it on disk. Without a `path` (a replay) it lives in memory alone."""

    name = "day_book"

    def __init__(
        self,
        path: Path | None,
        limits: DayLimits,
        *,
        wall_us: Callable[[], int],
        blocking: Blocking = trio.to_thread.run_sync,
    ) -> None:
        self._path = path
        self._limits = limits
        self._wall_us = wall_us
        self._blocking = blocking
        self._recent: deque[Sent] = deque(maxlen=SENT_MAX)
        self._turnover_seen: Money | None = None  # of this process
        self._offsets: dict[str, int] = {}  # what a strategy had made before this process
        self._seen_us = wall_us()  # when the account could be valued last
        self._is_dirty = False
        self.trouble: str | None = None  # why it is not on disk
        self._kept = self._read()

    # -- what the engine tells -----------------------------------------------------------------------------------------

    def note_order(self, ticker: str, strategy: str, at_us: int) -> None:
        """An order, or a change of one, was handed on to be sent."""
        self._turn(at_us)
        self._kept.orders += 1
        self._recent.append(Sent(at_us, ticker, strategy))
        self._is_dirty = True

    def look(self, now: Standing, at_us: int) -> None:
        """Take in how it stands, and set off the stops that are due."""
        self._turn(at_us)
        if self._turnover_seen is not None:
            self._kept.turnover += max(0, now.turnover - self._turnover_seen)
        self._turnover_seen = now.turnover
        if now.equity is not None:
            self._follow(ACCOUNT, now.equity)
            self._seen_us = at_us
        for strategy, pnl in now.pnl.items():
            if strategy not in self._offsets:
                track = self._kept.tracks.get(strategy)
                self._offsets[strategy] = track.latest - pnl if track else 0
            self._follow(strategy, pnl + self._offsets[strategy])
        for scope, track in self._kept.tracks.items():
            self._judge(scope, track, at_us)

    def lift(self, at_us: int) -> None:
        """A person lets trading go on: no lock holds any more, and what was lost until now is forgiven."""
        self._turn(at_us)
        for track in self._kept.tracks.values():
            track.began = track.highest = track.latest
        if self._kept.locks:
            log.warning("stops lifted", locks=[lock.rule for lock in self._kept.locks])
        self._kept.locks.clear()
        self._is_dirty = True

    # -- what risk reads -----------------------------------------------------------------------------------------------

    def facts(self, at_us: int) -> DayFacts:
        """The day so far."""
        self._turn(at_us)
        tracks = self._kept.tracks
        return DayFacts(
            orders=self._kept.orders,
            turnover=Money(self._kept.turnover),
            recent=self._recent,
            locks=tuple(self._kept.locks),
            is_blind=at_us - self._seen_us > BLIND_US,
            losses={scope: Money(max(0, track.began - track.latest)) for scope, track in tracks.items()},
            drawdowns={scope: Money(track.highest - track.latest) for scope, track in tracks.items()},
        )

    # -- the stops -----------------------------------------------------------------------------------------------------

    def _follow(self, scope: str, value: int) -> None:
        track = self._kept.tracks.get(scope)
        if track is None:
            self._kept.tracks[scope], self._is_dirty = _Track(value, value, value), True
        elif track.latest != value:
            track.latest, self._is_dirty = value, True
            track.highest = max(track.highest, value)

    def _judge(self, scope: str, track: _Track, at_us: int) -> None:
        limits, is_account = self._limits, scope == ACCOUNT
        whose, tomorrow_us = ("" if is_account else "STRATEGY_"), (self._kept.day + 1) * DAY_US
        until_us = at_us + limits.lock_s * 1_000_000
        loss_max = limits.loss if is_account else limits.strategy_loss
        fall_max = limits.drawdown if is_account else limits.strategy_drawdown
        lost, fallen = track.began - track.latest, track.highest - track.latest
        if lost > loss_max:
            why = f"{scope} lost {format_money(lost)} today; at most {format_money(loss_max)}"
            self._lock(StopLock(f"RISK_MAX_{whose}DAY_LOSS", scope, why, at_us, max(until_us, tomorrow_us)))
        if fallen > fall_max:
            why = f"{scope} is {format_money(fallen)} below its highest point; at most {format_money(fall_max)}"
            self._lock(StopLock(f"RISK_MAX_{whose}DRAWDOWN", scope, why, at_us, until_us))

    def _lock(self, lock: StopLock) -> None:
        locks = self._kept.locks
        if any((held.rule, held.scope) == (lock.rule, lock.scope) for held in locks) or len(locks) >= LOCKS_MAX:
            return
        locks.append(lock)
        self._is_dirty = True
        log.warning("stop: no new exposure", rule=lock.rule, scope=lock.scope, reason=lock.reason)

    def _turn(self, at_us: int) -> None:
        """Turn the page at midnight, and let go what is over. A clock set back turns no page back."""
        kept, day = self._kept, at_us // DAY_US
        if day > kept.day:
            kept.day, kept.orders, kept.turnover, self._is_dirty = day, 0, 0, True
            for track in kept.tracks.values():
                track.began = track.latest
        while self._recent and self._recent[0].at_us <= at_us - MINUTE_US:
            self._recent.popleft()
        while self._recent and self._recent[-1].at_us > at_us + LEAP_US:
            self._recent.pop()
        over = [lock for lock in kept.locks if lock.until_us <= at_us]
        for lock in over:
            kept.locks.remove(lock)
            if lock.rule.endswith("DRAWDOWN") and (track_of := kept.tracks.get(lock.scope)) is not None:
                track_of.highest = track_of.latest  # else it would be set off again at once
            self._is_dirty = True
            log.warning("stop is over", rule=lock.rule, scope=lock.scope)

    # -- on disk -------------------------------------------------------------------------------------------------------

    async def run(self, lifeline: Lifeline) -> None:
        """Keep it on disk until told to stop; a disk that refuses is told as trouble and tried again."""
        lifeline.started()
        while not lifeline.stopping.is_set():
            lifeline.beat()
            await self._keep()
            with trio.move_on_after(KEEP_S):
                await lifeline.stopping.wait()
        await self._keep()

    async def _keep(self) -> None:
        if not self._is_dirty or self._path is None:
            return
        self._is_dirty = False
        path, content = self._path, msgspec.json.encode(self._kept)
        try:
            await self._blocking(lambda: replace_file(path, content))
        except OSError as exc:
            self._is_dirty = True
            self.trouble = f"the day book cannot be kept ({exc.strerror or exc}): after a restart the day begins anew"
        else:
            self.trouble = None

    def _read(self) -> _Kept:
        """What an earlier run kept. A file that cannot be read locks the account until a person resumes."""
        now_us = self._wall_us()
        today = _Kept(day=now_us // DAY_US)
        if self._path is None:
            return today
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return today
        except (OSError, msgspec.MsgspecError, RecursionError) as exc:
            why = f"{self._path} cannot be read: {exc}"[:300]
            today.locks.append(StopLock("RISK_DAY_UNREADABLE", ACCOUNT, why, now_us, now_us + 365 * DAY_US))
        else:
            today = kept
        return today
