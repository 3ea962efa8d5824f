"""One channel's subscription on a connection: for which markets it is wanted, what was asked, how it lives.

Units: seconds of any monotonic clock.
Never: two commands unanswered at a time, so that every answer has its question; hammering.
"""

import enum
from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from traderv3.protocol import wire
from traderv3.protocol.channel_wire import BY_MARKET
from traderv3.protocol.sequence import Sequence
from traderv3.protocol.subscription import Ask, Asked, SessionLimits


class Life(enum.Enum):
    """Where a channel's subscription is in its life."""

    IDLE = "idle"
    SUBSCRIBING = "subscribing"
    STREAMING = "streaming"
    LEAVING = "leaving"
    GIVEN_UP = "given up"


class Turn(enum.Enum):
    """What can happen to it."""

    SUBSCRIBE = "subscribe"
    SUBSCRIBED = "subscribed"
    REFUSED = "refused"
    LEAVE = "leave"
    OVER = "over"
    GIVE_UP = "give up"


TURNS: Final[Mapping[tuple[Life, Turn], Life]] = MappingProxyType(
    {
        (Life.IDLE, Turn.SUBSCRIBE): Life.SUBSCRIBING,
        (Life.SUBSCRIBING, Turn.SUBSCRIBED): Life.STREAMING,
        (Life.SUBSCRIBING, Turn.REFUSED): Life.IDLE,
        (Life.SUBSCRIBING, Turn.GIVE_UP): Life.GIVEN_UP,
        (Life.STREAMING, Turn.LEAVE): Life.LEAVING,
        (Life.STREAMING, Turn.OVER): Life.IDLE,
        (Life.STREAMING, Turn.GIVE_UP): Life.GIVEN_UP,
        (Life.LEAVING, Turn.OVER): Life.IDLE,
        (Life.LEAVING, Turn.GIVE_UP): Life.GIVEN_UP,
    }
)


class Channel:
    """`wanted` and `held` are sets of tickers, or None for all markets; `asked` is the command not yet answered."""

    def __init__(self, name: str, tickers: Iterable[str] | None, limits: SessionLimits) -> None:
        self.name = name
        self.life = Life.IDLE
        self.sid: int | None = None
        self.sequence = Sequence()
        self.asked: Asked | None = None
        self.asked_id = 0
        self.wanted: set[str] | None = set()
        self._held: set[str] | None = set()
        self._limits = limits
        self._past: deque[int] = deque(maxlen=16)
        self._due_s = 0.0
        self._failures = 0
        self._since_s = 0.0
        self.want(tickers)

    def want(self, tickers: Iterable[str] | None) -> None:
        """The markets to have from now on."""
        assert tickers is None or self.name in BY_MARKET, f"{self.name} takes no markets"
        self.wanted = None if tickers is None else set(tickers)

    def turn(self, happened: Turn) -> None:
        """Move as the table says; anything else is a bug of ours."""
        target = TURNS.get((self.life, happened))
        assert target is not None, f"{self.name}: {self.life} cannot take {happened}"
        self.life = target

    @property
    def is_wanted(self) -> bool:
        """For any market at all."""
        return self.life is not Life.GIVEN_UP and (self.wanted is None or bool(self.wanted))

    def is_past(self, sid: int) -> bool:
        """Whether this subscription was ours and is over."""
        return sid in self._past

    # -- commands ------------------------------------------------------------------------------------------------------

    def next_command(self, command_id: int, now_s: float) -> bytes | None:
        """What to ask now so that the venue streams what is wanted; None if all is well or it is not the time."""
        if self.asked is not None or now_s < self._due_s:
            return None
        if self.life is Life.IDLE and self.is_wanted:
            self.turn(Turn.SUBSCRIBE)
            tickers = None if self.wanted is None else self._chunk(self.wanted)
            self._ask(Ask.SUBSCRIBE, tickers or (), command_id, now_s)
            self._held = None if tickers is None else set(tickers)
            return wire.subscribe_channel(command_id, self.name, tickers)
        if self.life is Life.STREAMING:
            return self._correction(command_id, now_s)
        if self.life is Life.LEAVING:
            return self._unsubscribe(command_id, now_s)
        return None

    def _correction(self, command_id: int, now_s: float) -> bytes | None:
        assert self.sid is not None
        wanted, held = self.wanted, self._held
        if wanted is None or held is None or not wanted:
            if wanted is None and held is None:
                return None
            self.turn(Turn.LEAVE)  # from all markets to some, or back: only a new subscription does that
            return self._unsubscribe(command_id, now_s)
        for ask, tickers in ((Ask.ADD, wanted - held), (Ask.DELETE, held - wanted)):
            if tickers:
                chunk = self._chunk(tickers)
                self._ask(ask, chunk, command_id, now_s)
                (held.update if ask is Ask.ADD else held.difference_update)(chunk)
                return wire.update(command_id, self.sid, ask.value, chunk)
        return None

    def _unsubscribe(self, command_id: int, now_s: float) -> bytes:
        assert self.sid is not None
        self._ask(Ask.UNSUBSCRIBE, (), command_id, now_s)
        return wire.unsubscribe(command_id, self.sid)

    def _chunk(self, tickers: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(tickers)[: self._limits.chunk])

    def _ask(self, ask: Ask, tickers: tuple[str, ...], command_id: int, now_s: float) -> None:
        self.asked = Asked(ask, tickers, now_s)
        self.asked_id = command_id

    # -- answers -------------------------------------------------------------------------------------------------------

    def take_asked(self, command_id: int | None) -> Asked | None:
        """The command that this answers, now answered."""
        if self.asked is None or command_id != self.asked_id:
            return None
        asked, self.asked = self.asked, None
        return asked

    def subscribed(self, sid: int, now_s: float, last: int = 0) -> None:
        """The venue streams to us."""
        self.turn(Turn.SUBSCRIBED)
        self.asked = None
        self.sid = sid
        self.sequence.restart(last)
        self._since_s = now_s
        if sid in self._past:
            self._past.remove(sid)

    def done(self) -> None:
        """The venue did what we asked."""
        self._failures = 0

    def give_up(self) -> None:
        """The venue has no such channel for us."""
        self.turn(Turn.GIVE_UP)
        self.asked = self.sid = None

    def failed(self, asked: Asked, now_s: float, *, is_mended: bool = False) -> None:
        """The venue did not do what we asked: again after a pause, each time in a row for twice as long.

        `is_mended`: what was wrong with the command is not wanted any more, so again at once.
        """
        if asked.ask is Ask.SUBSCRIBE:
            self.turn(Turn.REFUSED)
        elif self._held is not None and asked.ask is Ask.ADD:
            self._held.difference_update(asked.tickers)
        elif self._held is not None and asked.ask is Ask.DELETE:
            self._held.update(asked.tickers)
        if is_mended:
            return
        pause_s = self._limits.pause_s * 2.0 ** min(self._failures, 30)
        self._failures += 1
        self._due_s = now_s + min(pause_s, self._limits.pause_s_max)

    def over(self, now_s: float) -> None:
        """The subscription ended: again at once if it had lasted, otherwise after an ever longer pause."""
        assert self.sid is not None
        self.turn(Turn.OVER)
        self.asked = None
        self._past.append(self.sid)
        self.sid = None
        if now_s - self._since_s >= self._limits.restarts_s:
            self._failures = 0
        pause_s = self._limits.restart_s_first * 2.0 ** min(self._failures - 1, 30) if self._failures else 0.0
        self._failures += 1
        self._due_s = now_s + min(pause_s, self._limits.pause_s_max)
