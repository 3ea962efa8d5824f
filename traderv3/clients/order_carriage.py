"""What was taken from a lane: sent at most once, and answered for, whatever happens.

    take ─► carry ─► at the wire: `why_not` asked for the last time ─► `Written` ─► the venue's word ─► its outcome
         └► drop ──────────────────────────────────────────────────► `Written(is_dropped)`, and nothing more

What is on the wire when the run ends is answered as unknown. What rests afterwards is noted for a halt.
Never: a second try, a guess what became of a request.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import trio

from traderv3.clients.gateway_account import GatewayAccount
from traderv3.clients.order_rest import NotSent, OrderRest
from traderv3.clients.resting_orders import RestingOrders
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Answer,
    Cancel,
    Create,
    IntentLog,
    Outcome,
    Rejected,
    Request,
    Unknown,
    Written,
)
from traderv3.protocol.order_requests import Asking, askings, judge

WhyNot = Callable[[Sequence[Request]], str | None]  # why these must not go on the wire now

BATCH_MAX: Final = 20


class OrderCarriage:
    """One gateway's. `group_of` names the order group of a market; `doubt` hears of one that the venue may not have."""

    def __init__(
        self,
        rest: Callable[[], OrderRest],
        intents: IntentLog,
        resting: RestingOrders,
        account: GatewayAccount,
        *,
        deliver: Callable[[Answer], None],
        wall_us: Callable[[], int],
        group_of: Callable[[str], str | None],
        doubt: Callable[[str], None],
    ) -> None:
        self._rest = rest
        self._intents = intents
        self._resting = resting
        self._account = account
        self._deliver = deliver
        self._wall_us = wall_us
        self._group_of = group_of
        self._doubt = doubt
        self._under_way: dict[int, Request] = {}  # taken from their lane and not answered yet, by identity
        self._written: set[int] = set()  # those of them that are on the wire

    @property
    def under_way(self) -> Collection[Request]:
        """Taken from their lane and not answered yet."""
        return self._under_way.values()

    def is_writing_new(self) -> bool:
        """Whether a new or changed order of ours is on the wire."""
        return any(isinstance(self._under_way[each], Create | Amend) for each in self._written)

    def take(self, lane: deque[Request]) -> list[Request]:
        """The next batch of a lane; each is answered for from now on."""
        batch = [lane.popleft() for _ in range(min(len(lane), BATCH_MAX))]
        self._under_way.update({id(request): request for request in batch})
        return batch

    def drop(self, request: Request, why: str) -> None:
        """It never went on the wire, and never will."""
        self._under_way.pop(id(request), None)
        self._account.dropped += 1
        if isinstance(request, Create):
            self._intents.note(request.client_order_id, is_over=True)
        self._deliver(Answer(request, Written(is_dropped=True, why=why), self._wall_us()))

    def drop_all(self, requests: Iterable[Request], why: str) -> None:
        """None of them went on the wire."""
        for request in requests:
            self.drop(request, why)

    async def carry(self, requests: Sequence[Request], why_not: WhyNot | None = None) -> None:
        """Send these side by side, in as few requests as may be. Without `why_not` they are urgent."""
        rest = self._rest()
        parts = askings(
            requests,
            self._group_of,
            now_us=rest.clock.now_ms() * 1000,
            creates_max=rest.batch_max("POST"),
            cancels_max=rest.batch_max("DELETE"),
        )
        async with trio.open_nursery() as nursery:
            for part, asking in parts:
                nursery.start_soon(self._carry_part, part, asking, why_not)

    async def _carry_part(self, requests: Sequence[Request], asking: Asking, why_not: WhyNot | None) -> None:
        """Send one request and answer for all that it carries, whatever happens."""
        is_written = False
        outcomes: Sequence[Outcome] = [Unknown("the gateway ended while it was on the wire")] * len(requests)
        dropped = "the gateway ended before it was sent"

        def at_wire() -> None:
            nonlocal is_written
            if is_written:  # after a 429
                return
            why = why_not(requests) if why_not else None
            if why is not None:
                raise NotSent(why)
            is_written = True
            self._account.sent += len(requests)
            for request in requests:
                self._written.add(id(request))
                self._deliver(Answer(request, Written(), self._wall_us()))

        try:
            status, body = await self._rest().ask(asking, at_wire=at_wire, is_urgent=why_not is None)
            outcomes = judge(requests, status, body)
        except NotSent as exc:
            dropped = str(exc)
        except TraderError as exc:
            outcomes = [Unknown(str(exc))] * len(requests)
            dropped = str(exc)
        finally:
            for request, outcome in zip(requests, outcomes, strict=True):
                if is_written:
                    self._answer(request, outcome)
                else:
                    self.drop(request, dropped)

    def _answer(self, request: Request, outcome: Outcome) -> None:
        self._written.discard(id(request))
        self._under_way.pop(id(request), None)
        self._account.count(outcome, is_new=isinstance(request, Create | Amend))
        match request, outcome:
            case Create(client_order_id, order), Accepted(order_id, _, remaining, _):
                if remaining:
                    self._resting.answered(Cancel(client_order_id, order_id, order.wanted.ticker))
                self._intents.note(client_order_id, order_id=order_id, is_over=not remaining)
            case Create(client_order_id, order), Rejected(code, _):
                self._intents.note(client_order_id, is_over=True)
                if code == "not_found" and (group_id := self._group_of(order.wanted.ticker)):
                    self._doubt(group_id)  # or its market is not there: the venue has one word for both
            case Cancel(client_order_id, order_id, _), Accepted():
                self._resting.forget(order_id)
                self._intents.note(client_order_id, is_over=True)
            case _:
                pass
        self._deliver(Answer(request, outcome, self._wall_us()))
