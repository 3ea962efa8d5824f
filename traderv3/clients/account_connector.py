"""The actor that hears what happens to our account: fills, orders, positions and order groups, from the socket and by REST.

The socket's private channels have no numbers, so what it loses cannot be seen there: a REST cursor reads the latest fills
again and again, from a little before the last one, and hands on those that nobody told of. Whatever was told twice is
told once (trade id).
Out:    facts one by one, and `Missed` where something may be lost, in their order.
Dies:   only when an invariant breaks. It is made once; what it has seen outlives its starts.
Never:  a wait of the socket for REST.
"""

import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog
import trio

from traderv3.clients.account_reads import AccountReader
from traderv3.clients.channel_connector import ChannelConnector
from traderv3.clients.door import Door
from traderv3.core.event_bus import EventBus
from traderv3.core.lifeline import Lifeline
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import AccountFact, Missed
from traderv3.domain.feed import Feed
from traderv3.domain.market_facts import Fill, MarketFact, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.domain.tape import NO_TAPE, Tape

CHANNELS: Final = ("fill", "user_orders", "market_positions", "order_group_updates")
READ_S: Final = 10.0  # how often the cursor looks
OVERLAP_US: Final = 15_000_000  # reads lag by up to 10 s: what is younger than this may still come
YOUNG_US: Final = 3_000_000  # the socket may still be about to tell of it
SEEN_MAX: Final = 100_000  # trade ids; a day of the busiest account

log = structlog.get_logger(component="account_connector")


class AccountConnector:
    """One account. `deliver` and `record` must not wait or raise; `record` hears of every fact, for the database."""

    name = "account_connector"

    def __init__(
        self,
        door: Callable[[], Door],
        feed: Feed,
        bus: EventBus,
        *,
        deliver: Callable[[AccountFact | Missed], None],
        record: Callable[[MarketFact], None],
        wall_us: Callable[[], int],
        rng: random.Random,
        backoff: Backoff,
        tape: Tape = NO_TAPE,
    ) -> None:
        self._door = door
        self._feed = feed
        self._bus = bus
        self._deliver = deliver
        self._record = record
        self._wall_us = wall_us
        self._rng = rng
        self._backoff = backoff
        self._tape = tape
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._read_to_us = wall_us() - OVERLAP_US
        self._look = trio.Event()

    async def run(self, lifeline: Lifeline) -> None:
        """Hear and read for ever."""
        connector = ChannelConnector(
            self.name,
            lambda: dict.fromkeys(CHANNELS),
            lambda: 0,
            self._door(),
            self._feed,
            self._bus,
            deliver=self._on_fact,
            missed=self._on_missed,
            wall_us=self._wall_us,
            rng=self._rng,
            backoff=self._backoff,
            tape=self._tape,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_fills)
            await connector.run(lifeline)

    def _on_fact(self, fact: MarketFact) -> None:
        if getattr(fact, "subaccount", None):  # a numbered one: none of ours
            return
        if isinstance(fact, Fill) and not self._is_new(fact.trade_id):
            return
        self._record(fact)
        if isinstance(fact, Fill | UserOrder | MarketPosition | OrderGroupUpdate):
            self._deliver(fact)

    def _on_missed(self) -> None:
        self._deliver(Missed("the account's connection was lost or made anew"))
        self._look.set()

    def _is_new(self, trade_id: str) -> bool:
        if trade_id in self._seen:
            return False
        self._seen[trade_id] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    # -- the cursor ----------------------------------------------------------------------------------------------------

    async def _read_fills(self) -> None:
        """Look for fills that the socket did not tell of."""
        reader = AccountReader(lambda: self._door().rest, wall_us=self._wall_us)
        while True:
            with trio.move_on_after(READ_S):
                await self._look.wait()
            self._look = trio.Event()
            began_us = self._wall_us()
            try:
                fills = await reader.fills(self._read_to_us)
            except TraderError as exc:
                log.warning("the latest fills were not read", error=str(exc))
                continue
            for fill in fills:
                if fill.at_us <= began_us - YOUNG_US and self._is_new(fill.trade_id):
                    log.info("a fill that the socket did not tell of", trade=fill.trade_id, ticker=fill.ticker)
                    self._record(fill)
                    self._deliver(fill)
            self._read_to_us = max(self._read_to_us, began_us - OVERLAP_US)
