"""The actor that decides in which state the trader is, from what is known of the feed.

`next_move` is the whole decision: pure, from facts to a state and the sentence that says why. The actor looks twenty times
a second, which keeps a transition well within 100 ms of its cause plus the second that a lost venue is given.
While the exchange says that it is closed, waiting for it is no error: the state's time limit does not run.
Source: design section 7, "When `ready` is left".
Never: a transition that the table of `domain.states` does not hold.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.state_machine import StateMachine, StateTable, Transition
from traderv3.core.supervision import Backoff
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Feed, Link
from traderv3.domain.states import EDGES, LIMITS_S, OPERATING, OVERDUE, State

log = structlog.get_logger(component="state_machine")

LOOK_S: Final = 0.05
LOST_S: Final = 1.0  # no connection or no live book for so long ends `ready`
IDLE_S: Final = 1.0  # without an order for so long ends `acting`: between two quotes nothing ends

TABLE: Final = StateTable(
    edges=EDGES, initial=State.STARTUP, final=frozenset({State.SHUTDOWN}), limits_s=LIMITS_S, overdue=OVERDUE
)


@dataclass(frozen=True, slots=True)
class TradingFacts:
    """How trading stands. `why` says it in a sentence: what is in the way, or what was reconciled."""

    may_trade: bool  # the settings allow it, nobody halted it, the account is heard
    is_clean: bool  # the venue's account and ours agree
    idle_s: float  # since an order was on its way or rested; 0.0 while one is
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the decision needs. `lost_s`: seconds since there was a connection and a live book, 0.0 while there are.

    `trading` is None where others decide (a replay).
    """

    is_served: bool  # bus, metrics and console are up
    is_connected: bool
    live: int
    syncing: int
    stale: int
    watched: int
    absent: int
    unserved: int
    lost_s: float
    link_reason: str
    closed: str | None  # why the exchange is not open, as it says itself
    problem: str | None
    retry_in_s: float  # in `error`: until the next try; 0.0 when it is due
    trading: TradingFacts | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where to go, and the sentence that says why."""

    target: State
    context: str


def next_move(state: State, facts: Facts) -> Move | None:
    """The transition that the facts ask for, or None. Only a person's or the supervisor's stop leads to `shutdown`."""
    match state:
        case State.STARTUP:
            return Move(State.INITIALIZING, "configuration read; starting bus, metrics and console")
        case State.INITIALIZING if facts.is_served:
            return Move(State.CONNECTIVITY, "console served; connecting to the venue")
        case State.CONNECTIVITY if facts.problem is not None:
            return Move(State.ERROR, facts.problem)
        case State.CONNECTIVITY if facts.is_connected and facts.live and not facts.syncing and not facts.stale:
            without = facts.absent + facts.unserved
            missing = f", {without} without a book" if without else ""
            return Move(State.READY, f"{facts.live} of {facts.watched} markets live{missing}")
        case _ if state in OPERATING and facts.problem is not None:
            return Move(State.ERROR, facts.problem)
        case _ if state in OPERATING and facts.lost_s >= LOST_S:
            what = "no live book" if facts.is_connected else f"connection lost: {facts.link_reason}"
            return Move(State.CONNECTIVITY, f"{facts.closed} ({what})" if facts.closed else what)
        case State.ERROR if facts.problem is None and facts.is_connected and facts.live:
            return Move(State.CONNECTIVITY, "the venue is back")
        case State.ERROR if facts.problem is None and facts.retry_in_s <= 0:
            return Move(State.CONNECTIVITY, "trying again")
        case _ if state in OPERATING and facts.trading is not None:
            return _next_in_trading(state, facts.trading)
    return None


def _next_in_trading(state: State, trading: TradingFacts) -> Move | None:
    """The move among the states in which books are live."""
    match state:
        case State.READY if trading.may_trade:
            return Move(State.CALIBRATING, "reading orders, positions and balance")
        case State.CALIBRATING | State.TRADING_READY | State.ACTING if not trading.may_trade:
            return Move(State.READY, trading.why)
        case State.TRADING_READY | State.ACTING if not trading.is_clean:
            return Move(State.CALIBRATING, trading.why)
        case State.CALIBRATING if trading.is_clean:
            return Move(State.TRADING_READY, trading.why)
        case State.TRADING_READY if trading.idle_s == 0:
            return Move(State.ACTING, "an order is on its way or rests")
        case State.ACTING if trading.idle_s >= IDLE_S:
            return Move(State.TRADING_READY, "no order is on its way or rests")
    return None


class Pilot:
    """Keeps the machine in the state that the facts ask for. The machine outlives a restart of this actor.

    `record` takes each transition in the same step in which the state changes, so that whoever reads the state finds
    the transition that led to it; it must not wait or raise. Everybody else hears of it by the bus.
    """

    name = "state_machine"

    def __init__(
        self,
        feed: Feed,
        bus: EventBus,
        *,
        is_served: Callable[[], bool],
        wall_us: Callable[[], int],
        rng: random.Random,
        backoff: Backoff,
        record: Callable[[StateChanged], None] = lambda _: None,
        trading: Callable[[], TradingFacts | None] = lambda: None,
    ) -> None:
        self._feed = feed
        self._trading = trading
        self._record = record
        self._is_served = is_served
        self._bus = bus
        self._wall_us = wall_us
        self._rng = rng
        self._backoff = backoff
        self._errors = 0
        self._retry_at = 0.0
        self._good_at = trio.current_time()
        self.since_us = wall_us()
        self.machine = StateMachine(TABLE, self._announce)

    def _announce(self, transition: Transition[State]) -> None:
        self.since_us = self._wall_us()
        if transition.target is State.ERROR:
            self._errors += 1
            self._retry_at = trio.current_time() + self._backoff.delay_s(self._errors, self._rng)
        elif transition.target in OPERATING:
            self._errors = 0
        event = StateChanged(transition.source, transition.target, transition.context, self.since_us)
        self._record(event)
        self._bus.publish(event)

    async def run(self, lifeline: Lifeline) -> None:
        """Look and move until cancelled."""
        lifeline.started()
        while True:
            lifeline.beat()
            await self.look()
            await trio.sleep(LOOK_S)

    @property
    def may_rest(self) -> bool:
        """A look at this moment would lead nowhere. Costs nobody a turn, unlike `look`."""
        return self.machine.left_s > 0 and next_move(self.machine.state, self.facts()) is None

    async def look(self) -> None:
        """Move once, if the facts ask for it."""
        if self._feed.hours.is_closed(self._wall_us()):
            self.machine.excuse()
        if not await self.machine.enforce_limit(self._feed.link_reason):
            state = self.machine.state
            move = next_move(state, self.facts())
            if move is not None:
                await self.machine.to(move.target, move.context, only_from=state)

    def facts(self) -> Facts:
        """What is known now."""
        feed, now, wall_us = self._feed, trio.current_time(), self._wall_us()
        is_connected, live = feed.link is Link.CONNECTED, feed.live
        if is_connected and live:
            self._good_at = now
        away, unserved = feed.away, set(feed.unserved)
        missing = away | unserved | feed.absent.keys()
        return Facts(
            is_served=self._is_served(),
            is_connected=is_connected,
            live=live,
            syncing=sum(ticker not in missing for ticker in feed.syncing),
            stale=sum(ticker not in missing for ticker in feed.stale),
            watched=len(feed.books) - len(feed.closed),
            absent=len(feed.absent),
            unserved=len((away | unserved) - feed.absent.keys() - feed.closed.keys()),
            lost_s=now - self._good_at,
            link_reason=feed.link_reason,
            closed=feed.hours.sentence(wall_us) if feed.hours.is_closed(wall_us) else None,
            problem=feed.problem,
            retry_in_s=max(0.0, self._retry_at - now),
            trading=self._trading(),
        )
