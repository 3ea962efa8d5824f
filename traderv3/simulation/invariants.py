"""What must be true of a trader at every step, and what is due once the world behaves again; the books have `witness`.

Each check raises `Broken` with a sentence, or passes. Units: virtual seconds.
Never: a look at what the trader ought to have done; only at what is, and at what the world really was.
"""

import math
from collections.abc import Callable, Iterable
from typing import Final

import trio

from traderv3.clients.order_gateway import CANCELS_MAX, ORDERS_MAX
from traderv3.config.limits import JOURNAL
from traderv3.config.markets import NamedMarkets
from traderv3.console.client import OUTBOX
from traderv3.coordinator import Trader
from traderv3.core.supervision import ActorChanged, NodeReport, Status
from traderv3.domain.book import BookState
from traderv3.domain.checks import BookDisagrees
from traderv3.domain.events import StateChanged
from traderv3.domain.feed import Link
from traderv3.domain.health import OVER_NOW, Level
from traderv3.domain.states import EDGES, OPERATING, State
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.simulation.account import AccountWitness
from traderv3.simulation.actors import Actors
from traderv3.simulation.disk import Disk
from traderv3.simulation.network import ATTEMPTS_KEPT, Network
from traderv3.simulation.plan import Plan
from traderv3.simulation.venue import SimulatedExchange
from traderv3.simulation.witness import Broken, Witness
from traderv3.trading.state_sync import PERIOD_S

# How long something may be wrong before health must say so.
UNTOLD_S: Final = {
    "the exchange is dead": 5.0,
    "an actor is down": 1.5,
    "an actor does not come up": 8.0,
    "the database is away, and rows wait": 12.0,
    "the disk is full": 8.0,
    "no state in which books are used": 8.0,
    "a book is not live": 30.0,
    # of trading
    "a stop has locked trading": 1.5,
    "the account has no connection": 8.0,
    "nobody reads the account": 30.0,
    "trading is halted, and orders rest": 15.0,
    "the account differs": 45.0,
}
# A frozen connector of the account is found by its heartbeat; until then nobody knows what it does not hear.
FROZEN_S: Final = {"the account has no connection": 100.0, "the account differs": 100.0}
# A silent socket is dead after 30 s; its connector may have been frozen just then, and is found after 60 s.
LAG_S: Final = 40.0
LAG_FROZEN_S: Final = 100.0
LAG_CALM_S: Final = 5.0
HAMMERING_S: Final = 20.0  # the longest backoff; half as many tries as are kept are usual in it
LOST_S: Final = 2.0  # one second is granted (design, section 7)
HEALTH_STEPS: Final = 4  # steps between two looks at health and tree

# How an actor may end: by what we did to it, and by what its supervisor does then.
FORESEEN: Final = ("Mishap: ", "HeartbeatLost: ", "StartFailed: ", "RestartStorm: ", "ended")
ALIVE: Final = frozenset({MarketStatus.ACTIVE, MarketStatus.INACTIVE})
# Alarms that a strategy of chance with little money, or a stop of the day, earns, as it should.
EARNED: Final = ("the venue refused ", "stop RISK_", f"{OVER_NOW}stop RISK_")
TOLD_LATE_S: Final = 40.0  # how long the bus may be down before it tells that REST disagrees
EXCHANGE_ENDS: Final = "ConnectivityError: the exchange process ended"


class Invariants:
    """Judges one trader in one world."""

    def __init__(
        self,
        plan: Plan,
        trader: Trader,
        witness: Witness,
        network: Network,
        venue: SimulatedExchange,
        disk: Disk,
        actors: Actors,
        account: AccountWitness | None,
    ) -> None:
        self.transitions: list[StateChanged] = []
        self._plan = plan
        self._trader = trader
        self._witness = witness
        self._network = network
        self._lost_since: float | None = None
        kinds = {fault.kind for fault in plan.faults}
        self._lag_s = LAG_S if kinds.isdisjoint(("freeze", "other freezes")) else LAG_FROZEN_S
        self._untold_s = UNTOLD_S | (FROZEN_S if "trader freezes" in kinds else {})
        self._venue = venue
        self._disk = disk
        self._actors = actors
        self._account = account
        self._steps = 0
        self._since: dict[str, float] = {}
        self._statuses: set[Status] = set()

    def step(self) -> None:
        """Everything that must be true now. Raises `Broken`."""
        self._steps += 1
        self._witness.check_all()
        self._witness.check_lag(self._lag_s)
        self._check_mailboxes()
        self._check_link()
        if self._account is not None:
            self._account.step()
        for name, count in self._actors.running.items():
            if count > 1:
                raise Broken(f"{count} of {name} run at the same time")
        if self._steps % HEALTH_STEPS == 0:
            self._statuses = {node.status for node in leaves(self._trader.node())}
            self._check_health()

    def hear(self, fact: object) -> None:
        """A fact that an actor told. Raises `Broken`."""
        if isinstance(fact, StateChanged):
            before = self.transitions[-1].target if self.transitions else State.STARTUP
            if fact.source is not before:
                raise Broken(f"the state was {before}, and {fact.source} was left for {fact.target}")
            if fact.target not in EDGES[fact.source]:
                raise Broken(f"{fact.source} -> {fact.target} is not in the table")
            is_new = fact.target is State.READY and fact.source not in OPERATING  # a market may come in later
            if is_new and (doubt := self._why_not_ready()) is not None:
                raise Broken(f"the state became ready, and {doubt}")
            self.transitions.append(fact)
        elif isinstance(fact, BookDisagrees):
            self._check_disagreement(fact)
        elif isinstance(fact, ActorChanged) and fact.error is not None and not _is_foreseen(fact.name, fact.error):
            raise Broken(f"{fact.name} died of {fact.error}")

    def _check_disagreement(self, fact: BookDisagrees) -> None:
        """A right book (the witness sees to that) differs from REST only if it is late, or of an exchange that is gone."""
        late_at = self._witness.late_at.get(fact.connection, -math.inf)
        if self._venue.starts <= 1 and trio.current_time() - late_at > TOLD_LATE_S:
            raise Broken(f"REST disagrees with {fact.ticker}, and {fact.connection} was not late")

    def _why_not_ready(self) -> str | None:
        """A book without which the trader may not be called ready; told by the bus a moment after it became so."""
        feed = self._trader.feed
        excused = feed.away | set(feed.unserved) | feed.absent.keys() | feed.closed.keys()
        return next(
            (
                f"{t} never had a book"
                for t, b in feed.books.items()
                if b.state is BookState.SYNCING and t not in excused
            ),
            None,
        )

    def _check_link(self) -> None:
        """The venue is not hammered, and a trader without a connection does not stay in a state that uses books."""
        for actor, tried_at in self._network.attempts.items():
            if len(tried_at) == ATTEMPTS_KEPT and tried_at[-1] - tried_at[0] < HAMMERING_S:
                raise Broken(f"{actor} tried to connect {ATTEMPTS_KEPT} times in {tried_at[-1] - tried_at[0]:.1f} s")
        newest = {connection.actor: connection for connection in self._network.connections}
        for connection in self._network.connections:
            if connection.is_left_open and connection is not newest[connection.actor]:
                raise Broken(f"{connection.actor} has a new connection and left number {connection.number} open")
        trader, now_s = self._trader, trio.current_time()
        is_pilot_well = "state_machine" in self._actors.running_since
        if trader.feed.link is Link.CONNECTED or trader.pilot.machine.state not in OPERATING or not is_pilot_well:
            self._lost_since = None
            return
        self._lost_since = now_s if self._lost_since is None else self._lost_since
        since_s = max(self._lost_since, self._actors.running_since["state_machine"])
        if now_s - since_s > LOST_S:
            raise Broken(f"without a connection for {now_s - since_s:.1f} s, and still {trader.pilot.machine.state}")

    # -- bounds --------------------------------------------------------------------------------------------------------

    def _check_mailboxes(self) -> None:
        trader = self._trader
        assert trader.archive is not None
        boxes = {"journal": trader.archive.journal.mailbox(), "write queue": trader.archive.queue.mailbox()}
        if trader.execution is not None:
            boxes["engine"] = trader.execution.inbox.stats()
        for name, subscriber in trader.bus.stats().items():
            box = boxes[name] = subscriber.mailbox
            handled = subscriber.handled + subscriber.failed + subscriber.timed_out + subscriber.skipped
            in_hand = box.accepted - box.dropped - box.conflated - box.depth - handled
            if not 0 <= in_hand <= 1:
                raise Broken(f"the mailbox of {name} does not account for {in_hand} events")
        for name, box in boxes.items():
            if box.depth > box.capacity or box.high_water > box.capacity:
                raise Broken(f"the mailbox of {name} holds {box.depth} of {box.capacity}")
        for client in trader.desk.hub.clients:
            if len(client.outbox) > OUTBOX:
                raise Broken(f"the outbox of {client.client_id} holds {len(client.outbox)}")
        if (queued := trader.archive.journal.stats().queued_bytes) > JOURNAL.queue_bytes_max:
            raise Broken(f"the journal's queue holds {queued} bytes")
        gateway = trader.execution.gateway if trader.execution is not None else None
        if gateway is not None and (waiting := gateway.stats().waiting) > ORDERS_MAX + CANCELS_MAX:
            raise Broken(f"the lanes of the order gateway hold {waiting}")

    # -- health --------------------------------------------------------------------------------------------------------

    def _check_health(self) -> None:
        health = self._trader.aggregator.assess()
        if health.level is not Level.HEALTHY:
            self._note_wrongs()
            return
        if self._trader.pilot.machine.state is State.ERROR:
            raise Broken("healthy, and in error")
        if self._trader.feed.was_accepted and self._trader.feed.link is not Link.CONNECTED:
            raise Broken("healthy, and not connected")
        for what, since_s in self._note_wrongs().items():
            if trio.current_time() - since_s > self._untold_s[what]:
                raise Broken(f"healthy, and for {trio.current_time() - since_s:.1f} s {what}")

    def _note_wrongs(self) -> dict[str, float]:
        """What is wrong now, and since when."""
        now_s = trio.current_time()
        wrong = dict.fromkeys(self._wrongs(), now_s)
        self._since = {what: self._since.get(what, since_s) for what, since_s in wrong.items()}
        return self._since

    def _wrongs(self) -> Iterable[str]:
        feed = self._trader.feed
        state = self._trader.pilot.machine.state
        if self._venue.exchange is None and self._venue.starts:
            yield "the exchange is dead"
        if not self._statuses.isdisjoint((Status.BACKOFF, Status.FAILED)):
            yield "an actor is down"
        if Status.STARTING in self._statuses:
            yield "an actor does not come up"
        assert self._trader.archive is not None
        queue = self._trader.archive.queue.stats()
        if self._disk.is_away and (queue.depth or queue.spill_bytes):
            yield "the database is away, and rows wait"
        if self._disk.is_full and feed.link is Link.CONNECTED:
            yield "the disk is full"
        if state not in OPERATING and state is not State.SHUTDOWN and feed.was_accepted:
            yield "no state in which books are used"
        watched = self._trader.market.tickers
        if any(t in feed.books and feed.books[t].state is not BookState.LIVE and t not in feed.absent for t in watched):
            yield "a book is not live"
        if self._account is not None:
            yield from self._wrongs_of_trading(self._account)

    def _wrongs_of_trading(self, account: AccountWitness) -> Iterable[str]:
        if account.is_locked:
            yield "a stop has locked trading"
        if all(connection.actor != "account_connector" for connection in self._network.standing):
            yield "the account has no connection"
        if trio.current_time() - account.read_s > PERIOD_S:
            yield "nobody reads the account"
        if account.is_halted and account.resting:
            yield "trading is halted, and orders rest"
        if not account.is_alike:
            yield "the account differs"

    # -- what is due in the end ----------------------------------------------------------------------------------------

    def why_not_well(self) -> str | None:
        """What is still to recover, or None."""
        trader = self._trader
        if self._actors.frozen:
            return f"{', '.join(sorted(self._actors.frozen))} is frozen"
        now_s = trio.current_time()
        for connection in self._network.standing:
            if connection.is_left_open and any(pipe.held_until_s > now_s for pipe in connection.pipes.values()):
                return f"nothing comes on the connection of {connection.actor}, which has not noticed yet"
        if (why_not := self._why_no_books()) is not None:
            return why_not
        open_gaps = [gap.what for gap in trader.feed.gaps if gap.how is None]
        if open_gaps or trader.feed.suspects:
            return f"gaps under repair: {open_gaps}, suspects: {list(trader.feed.suspects)}"
        if (over := self._live_though_over()) is not None:
            return f"{over} is over and reads as live"
        down = [f"{node.name} is {node.status}" for node in leaves(trader.node()) if node.status is not Status.RUNNING]
        if down:
            return ", ".join(down)
        health = trader.aggregator.assess()
        is_earned_only = all(reason.message.startswith(EARNED) for reason in health.reasons)
        if health.level is not (Level.HEALTHY if self._expected() else Level.UNHEALTHY) and not is_earned_only:
            return f"health is {health.level}: {'; '.join(reason.message for reason in health.reasons)}"
        if self._account is not None and self._expected() and (why_not := self._account.why_not_well()) is not None:
            return why_not
        assert trader.archive is not None
        queue, journal = trader.archive.queue.stats(), trader.archive.journal.stats()
        if queue.trouble or queue.spill_bytes or journal.trouble:
            return f"storage: {queue.trouble or journal.trouble or 'rows wait in the spill'}"
        return None

    def _why_no_books(self) -> str | None:
        """Why the books of the wanted markets are not as they ought to be; where none is left to live for, that is said."""
        state = self._trader.pilot.machine.state
        expected = self._expected()
        if not expected:
            return None if state is State.ERROR else f"no market is left, and the state is {state}"
        if state not in OPERATING:
            return f"the state is {state}: {self._trader.pilot.machine.context}"
        for ticker in expected:
            book = self._trader.feed.books.get(ticker)
            if book is None or book.state is not BookState.LIVE:
                return f"{ticker} is open and {book.state if book else 'not watched'}"
        try:
            self._witness.check_lag(LAG_CALM_S)
        except Broken as broken:
            return str(broken)
        return None

    def _expected(self) -> list[str]:
        """The markets that ought to be live: those wanted that the exchange has not closed."""
        exchange = self._venue.exchange
        if exchange is None:
            return []
        listings = exchange.floor.listings
        expected = [t for t in self._trader.market.tickers if t in listings]
        wanted = self._plan.wanted
        if isinstance(wanted, NamedMarkets):
            for name in wanted.tickers:
                members = [t for t, each in listings.items() if each.market.event.ticker == name]
                expected += [t for t in members if listings[t].status is MarketStatus.ACTIVE]
                expected += [name] if name in listings else []
        return [ticker for ticker in dict.fromkeys(expected) if listings[ticker].status in ALIVE]

    def _live_though_over(self) -> str | None:
        """A market that the exchange has closed and whose book still reads as live."""
        assert self._venue.exchange is not None
        for ticker, listing in self._venue.exchange.floor.listings.items():
            book = self._trader.feed.books.get(ticker)
            if listing.status not in ALIVE and book is not None and book.state is BookState.LIVE:
                return ticker
        return None


def _is_foreseen(name: str, error: str) -> bool:
    return error.startswith(FORESEEN) or (name == "exchange" and error.startswith(EXCHANGE_ENDS))


def leaves(node: NodeReport) -> Iterable[NodeReport]:
    """Every worker below."""
    if node.strategy is None:
        yield node
    for child in node.children:
        yield from leaves(child)


Report = Callable[[str], None]
