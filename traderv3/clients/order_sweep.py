"""A halt at the venue: everything that can end our orders, all at once, again and again until none rests for certain.

A strike is cancel-all, the trigger of each order group and a cancel for each order that is known to rest, side by side, so
that one slow answer holds up nothing. Certain is a read of the account that is newer than the last strike and lists no
resting order. A strike is repeated as long as part of it failed or a read lists something.
Used by the gateway and by `traderv3 halt` from a process of its own.
Units: microseconds of the venue's clock; seconds.
Never: an end without evidence. Whoever cannot wait for it cancels `run`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio

from traderv3.clients.order_rest import OrderRest
from traderv3.clients.rest import RestClient
from traderv3.clients.venue_clock import TRUSTED_US
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import Cancel
from traderv3.protocol.order_requests import Asking, cancel_all, cancel_orders, trigger_group
from traderv3.protocol.rest import error_text

UNHEARD: Final = frozenset({401, 403, 408, 429})
LOOK_S: Final = 0.5
STRIKE_S: Final = 1.0  # a strike is repeated no sooner

log = structlog.get_logger(component="halt")


class OrderSweep:
    """One halt. `known` are the orders that we know to rest, `groups` our order groups (id, shard).

    `is_quiet`: no order can be on its way from us any more. `trouble` says what the halt still waits for.
    """

    def __init__(
        self,
        rest: OrderRest,
        reads: RestClient,
        *,
        known: Callable[[], Sequence[Cancel]] = tuple,
        groups: Callable[[], Sequence[tuple[str, int]]] = tuple,
        is_quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        self.trouble: str | None = "no order has been cancelled yet"
        self.strikes = 0
        self._rest = rest
        self._reads = reads
        self._known = known
        self._groups = groups
        self._is_quiet = is_quiet
        self._failed: list[str] = []

    async def run(self) -> None:
        """Strike until it is certain that no order of the account rests."""
        listed: Sequence[Cancel] = ()
        while True:
            is_quiet = self._is_quiet()  # asked before the strike: what was on its way before is hit by it
            began = trio.current_time()
            await self._strike(listed)
            struck_us = self._venue_us()
            is_over = is_quiet and not self._failed
            while True:
                await trio.sleep(LOOK_S)
                try:
                    as_of_us, listed = await self._look()
                except TraderError as exc:
                    self.trouble = f"nobody can say whether orders rest: {exc}"
                    break
                is_newer = as_of_us > struck_us + TRUSTED_US
                if is_over and is_newer and not listed:
                    self.trouble = None
                    log.warning("no order rests any more", strikes=self.strikes)
                    return
                self.trouble = self._waiting_for(listed, is_newer=is_newer)
                if not is_over or listed:
                    break
            await trio.sleep_until(began + STRIKE_S)

    async def _strike(self, listed: Sequence[Cancel]) -> None:
        """Everything at once. What the venue did not carry out is in `_failed`."""
        self.strikes += 1
        self._failed = []
        orders = list({cancel.order_id: cancel for cancel in (*self._known(), *listed)}.values())
        most = self._rest.batch_max("DELETE")
        askings = [cancel_all()]
        askings += [trigger_group(group_id, shard) for group_id, shard in self._groups()]
        askings += [cancel_orders(orders[at : at + most]) for at in range(0, len(orders), most)]
        async with trio.open_nursery() as nursery:
            for asking in askings:
                nursery.start_soon(self._ask, asking)

    async def _ask(self, asking: Asking) -> None:
        try:
            status, body = await self._rest.ask(asking, is_urgent=True)
        except TraderError as exc:
            self._failed.append(str(exc))
            return
        # A no to this very request (it is not there, over, triggered already) is an answer, and the reads decide; nobody
        # knows after a silence, and nothing was done for a key or a rate that was refused.
        if status in UNHEARD or not (200 <= status < 300 or 400 <= status < 500):
            self._failed.append(f"{asking.method} {asking.route}: HTTP {status}: {error_text(body)[1]}")

    async def _look(self) -> tuple[int, list[Cancel]]:
        """How fresh the reads are, and what rests by them. Raises `TraderError`."""
        as_of_us = await self._reads.user_data_timestamp()
        resting = [
            Cancel(order.client_order_id, order.order_id, order.ticker)
            async for page in self._reads.orders(status="resting", limit="1000")
            for order in page
            if order.subaccount == 0  # the others are none of ours, and our cancels do not reach them
        ]
        return as_of_us, resting

    def _waiting_for(self, listed: Sequence[Cancel], *, is_newer: bool) -> str:
        if self._failed:
            return self._failed[0]
        if listed:
            return f"{len(listed)} orders still rest by the venue's reads" + ("" if is_newer else ", which are old")
        return "the venue's reads are not new enough yet" if not is_newer else "an order of ours is still on its way"

    def _venue_us(self) -> int:
        return self._rest.clock.now_ms() * 1000
