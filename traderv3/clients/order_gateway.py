"""The actor that carries our orders out: requests in from the engine without a wait, each on the disk, then on the wire, once.

    submit ─► orders lane ─► intent log (one write for all that wait) ─► tokens ─► wire ─► Answer
           └► cancels lane ─► intent log (a disk in trouble is not waited for) ───► wire ─► Answer

New orders ask at the very last moment, under httpx2, whether they may still go: a halt, a stop, an approval that has
grown old, a missing order group each drop them, and nothing of them is on the wire. Cancels and decreases make our risk
smaller: they overtake, and wait for nobody. A halt is obeyed here, without the engine: `order_sweep` strikes at once, and
until it is certain that no order rests.
In:    `submit`, `heed` (what the account says), `on_latch`: from the loop's thread, never a wait.
Out:   Answer by Answer through `deliver`: `Written`, then its outcome; or `Written(is_dropped)` and nothing more.
Dies:  only when an invariant breaks. It is made once and may run again: what was on the wire is answered as unknown by the
       run that ends, what waits goes on waiting.
Stop:  the session's order groups are deleted, with all that rests in them.
Never: a second try, a guess what became of a request, a new order after a halt.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from traderv3.clients.gateway_account import GatewayAccount, GatewayStats
from traderv3.clients.intent_keeping import CANCEL_S, GatewayLog, IntentKeeping
from traderv3.clients.order_carriage import OrderCarriage
from traderv3.clients.order_groups import OrderGroups
from traderv3.clients.order_rest import NotSent, OrderRest
from traderv3.clients.order_sweep import OrderSweep
from traderv3.clients.rest import RestClient
from traderv3.clients.resting_orders import RestingOrders
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import AccountFact, Amend, Answer, Create, Request, Snapshot
from traderv3.domain.market_facts import OrderGroupUpdate, UserOrder
from traderv3.domain.permission import Latch, Mode, Stand
from traderv3.domain.units import Qty

ORDERS_MAX: Final = 256  # waiting; the engine may have no more on its way than its own limit, far below
CANCELS_MAX: Final = 4096
SENDING_MAX: Final = 16  # requests for new orders at a time
STALE_US: Final = 2_000_000  # an approval is for a moment
CLOCK_US: Final = 100_000  # so much a clock may be set back while nobody notices
STOP_S: Final = 2.0
MOVED: Final = "the trading latch moved after it was approved"
GROUPS_BACKOFF: Final = Backoff(0.2, 5.0)

log = structlog.get_logger(component="order_gateway")


class OrderGateway:
    """One account's gateway (`domain.execution.OrderPort`). `shard_of` tells on which shard of the exchange a market is."""

    name = "order_gateway"

    def __init__(
        self,
        rest: Callable[[], OrderRest],
        reads: Callable[[], RestClient],
        intents: GatewayLog,
        latch: Latch,
        *,
        deliver: Callable[[Answer], None],
        wall_us: Callable[[], int],
        rng: random.Random,
        group_limit: Qty,
        shard_of: Callable[[str], int] = lambda _: 0,
    ) -> None:
        self._rest = rest
        self._reads = reads
        self._intents = intents
        self._latch = latch
        self._wall_us = wall_us
        self._rng = rng
        self._shard_of = shard_of
        self._groups = OrderGroups(intents, group_limit)
        self._orders: deque[Request] = deque()
        self._cancels: deque[Request] = deque()
        self._resting = RestingOrders(wall_us)
        self._account = GatewayAccount()
        self._keeping = IntentKeeping(intents, self._account, wall_us)
        self._carriage = OrderCarriage(
            rest,
            intents,
            self._resting,
            self._account,
            deliver=deliver,
            wall_us=wall_us,
            group_of=self._group_of,
            doubt=self._doubt_group,
        )
        self._due = trio.Event()
        self._moved = trio.Event()
        self._mode = latch.stand.mode  # when we last heard of it
        self._moves = 0  # of the latch
        self._is_stopping = False
        self._tripped: str | None = None  # the group that the venue triggered by itself; until the latch says halted
        self._sweep: OrderSweep | None = None

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def submit(self, requests: Sequence[Request]) -> None:
        """Take these, in this order; one that cannot be taken is answered as dropped."""
        for request in requests:
            is_new = isinstance(request, Create | Amend)
            lane = self._orders if is_new else self._cancels
            if len(lane) >= (ORDERS_MAX if is_new else CANCELS_MAX):
                self._carriage.drop(request, f"{len(lane)} requests wait already")
            else:
                lane.append(request)
        self._due = _set(self._due)

    def is_clear(self) -> bool:
        """Nothing is on its way, and no halt is under way."""
        return not (self._orders or self._cancels or self._carriage.under_way or self._sweep)

    @property
    def open_orders(self) -> int:
        """How many orders of ours rest as far as we know, or are on their way."""
        return len(self._resting) + sum(isinstance(each, Create) for each in (*self._orders, *self._carriage.under_way))

    def on_latch(self, stand: Stand) -> None:
        """The latch moved. A halt triggers the groups at the venue: after it new orders go into new ones."""
        if Mode.HALTED in (stand.mode, self._mode):
            self._groups.forsake()
        self._mode = stand.mode
        self._moves += 1
        while self._orders:
            self._carriage.drop(self._orders.popleft(), MOVED)
        self._moved = _set(self._moved)

    def heed(self, fact: AccountFact) -> None:
        """What the account says of our orders and groups."""
        if isinstance(fact, UserOrder):
            is_over = not self._resting.heed(fact)
            self._intents.note(fact.client_order_id, order_id=fact.order_id, is_over=is_over)
        elif isinstance(fact, OrderGroupUpdate) and self.is_present(fact.order_group_id):
            if fact.event_type == "triggered" and not self._is_halted():
                self._tripped = fact.order_group_id
            elif fact.event_type == "deleted":
                self._groups.forsake(fact.order_group_id)
                self._moved = _set(self._moved)

    def heed_reading(self, reading: Snapshot) -> None:
        """The account, read whole."""
        self._resting.heed_reading(reading)

    def is_present(self, group_id: str) -> bool:
        """Whether this is a group that new orders go into, and not one of an earlier session or halt."""
        return self._groups.is_present(group_id)

    def stats(self) -> GatewayStats:
        """The account at this moment."""
        return self._account.stats(
            waiting=len(self._orders) + len(self._cancels),
            under_way=len(self._carriage.under_way),
            resting=len(self._resting),
            groups=len(self._intents.groups),
            strikes=self._sweep.strikes if self._sweep else 0,
        )

    @property
    def trouble(self) -> str | None:
        """Why orders cannot be trusted to go or to end, in a sentence."""
        if self._sweep is not None and self._sweep.trouble is not None:
            return f"the halt is not carried out yet: {self._sweep.trouble}"
        if self._tripped is not None:
            return f"no order is sent: the venue triggered order group {self._tripped}"
        return self._account.trouble

    # -- the actor -----------------------------------------------------------------------------------------------------

    async def run(self, lifeline: Lifeline) -> None:
        """Carry out until a stop is asked for; then end what rests."""
        lifeline.started()
        self._is_stopping = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._obey)
            nursery.start_soon(self._keep_groups)
            nursery.start_soon(self._keeping.probe)
            nursery.start_soon(self._send_orders, nursery)
            nursery.start_soon(self._send_cancels, nursery)
            await lifeline.wait(lifeline.stopping.wait)
            self._is_stopping = True
            await self._close()
            nursery.cancel_scope.cancel()

    async def _close(self) -> None:
        """Say no to what waits, and take down what rests, as far as `STOP_S` lets us."""
        while self._orders:
            self._carriage.drop(self._orders.popleft(), "the trader stops")
        with trio.move_on_after(STOP_S):
            try:
                await self._groups.close(self._rest())
            except (TraderError, NotSent, OSError) as exc:
                log.warning("orders may rest: their groups were not deleted", why=str(exc))

    async def _keep_groups(self) -> None:
        """Have an order group for each shard that is wanted, and none of earlier sessions."""
        failures = 0
        while True:
            moved = self._moved
            try:
                await self._keeping.look()
                if not (self._is_halted() or self._is_stopping):
                    await self._groups.complete(self._rest())
            except (TraderError, NotSent, OSError) as exc:
                failures += 1
                self._account.group_trouble = f"the venue gave no order group: {exc}"
                log.warning("no order group", why=str(exc))
                await trio.sleep(GROUPS_BACKOFF.delay_s(failures, self._rng))
            else:
                failures, self._account.group_trouble = 0, None
                await moved.wait()

    # -- the halt ------------------------------------------------------------------------------------------------------

    async def _obey(self) -> None:
        """While the latch says halted: strike until nothing rests, then stay."""
        while True:
            if self._is_halted():
                self._tripped = None
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._strike)
                    while self._is_halted():
                        await self._moved.wait()
                    nursery.cancel_scope.cancel()
                self._moved = _set(self._moved)
            await self._moved.wait()

    def _is_halted(self) -> bool:
        return self._latch.stand.mode is Mode.HALTED

    async def _strike(self) -> None:
        self._sweep = sweep = OrderSweep(
            self._rest(),
            self._reads(),
            known=self._resting.cancels,
            groups=lambda: self._groups.held,
            is_quiet=self._is_quiet,
        )
        try:
            await sweep.run()
            self._account.swept_us = self._wall_us()
            self._resting.clear()
        finally:
            self._account.strikes += sweep.strikes
            self._sweep = None

    def _is_quiet(self) -> bool:
        """No new order of ours is on the wire, and every order group that the log holds was in the strike."""
        return self._keeping.has_looked and not self._carriage.is_writing_new()

    # -- new orders ----------------------------------------------------------------------------------------------------

    async def _send_orders(self, nursery: trio.Nursery) -> None:
        """Keep what waits, in one write, and send it: creates in batches, amends one by one."""
        slots = trio.Semaphore(SENDING_MAX)
        while True:
            while not self._orders:
                await self._due.wait()
            await slots.acquire()
            batch, moves = self._carriage.take(self._orders), self._moves
            account = self._account
            account.disk_busy_since = trio.current_time()
            try:
                await self._keeping.keep(batch)
            except OSError as exc:
                self._carriage.drop_all(batch, f"the intent log cannot be written: {exc}")
                slots.release()
                continue
            except BaseException:
                self._carriage.drop_all(batch, "the gateway ended before it was sent")
                raise
            finally:
                account.disk_busy_since = None
            nursery.start_soon(self._send_batch, batch, moves, slots)

    async def _send_batch(self, batch: Sequence[Request], moves: int, slots: trio.Semaphore) -> None:
        ready = []
        for request in batch:
            if not isinstance(request, Create) or self._group_of(request.order.wanted.ticker) is not None:
                ready.append(request)
            else:
                why = self._why_not(moves, self._groups.generation, [request]) or self._account.group_trouble
                self._carriage.drop(request, why or "there is no order group for it yet")
                self._moved = _set(self._moved)
        try:
            await self._carriage.carry(ready, partial(self._why_not, moves, self._groups.generation))
        finally:
            slots.release()

    def _group_of(self, ticker: str) -> str | None:
        return self._groups.of(self._shard_of(ticker))

    def _doubt_group(self, group_id: str) -> None:
        self._groups.doubt(group_id)
        self._moved = _set(self._moved)

    def _why_not(self, moves: int, generation: int, requests: Sequence[Request]) -> str | None:
        """Why these must not go on the wire at this very moment.

        They were taken after so many moves of the latch, and name order groups of that generation.
        """
        if self._is_halted():
            return f"trading is halted by {self._latch.stand.by}"
        if self._is_stopping:
            return "the trader stops"
        if self._tripped is not None:
            return f"the venue triggered order group {self._tripped}: more filled than it allows"
        if moves != self._moves:
            return MOVED
        if generation != self._groups.generation:
            return "its order group is not in use any more"
        for request in requests:
            approved = request.order if isinstance(request, Create) else request.change  # type: ignore[union-attr]
            age_us = self._wall_us() - approved.at_us
            if not -CLOCK_US <= age_us <= STALE_US:  # or our clock was set back, and nobody knows
                return f"it was approved {age_us // 1000} ms ago"
        return None

    # -- cancels -------------------------------------------------------------------------------------------------------

    async def _send_cancels(self, nursery: trio.Nursery) -> None:
        """Send what waits: cancels in batches, everything else one by one, each at once."""
        while True:
            while not self._cancels:
                await self._due.wait()
            batch = self._carriage.take(self._cancels)
            kept = trio.Event()
            nursery.start_soon(self._keeping.keep_cancels, batch, kept)
            nursery.start_soon(self._send_kept, batch, kept)

    async def _send_kept(self, batch: Sequence[Request], kept: trio.Event) -> None:
        try:
            with trio.move_on_after(CANCEL_S):
                await kept.wait()
        except BaseException:
            self._carriage.drop_all(batch, "the gateway ended before it was sent")
            raise
        await self._carriage.carry(batch)


def _set(event: trio.Event) -> trio.Event:
    """Wake whoever waits; the event for those who wait from now on."""
    event.set()
    return trio.Event()
