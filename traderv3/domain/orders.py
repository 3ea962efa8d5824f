"""Our orders: what is wanted, what risk said of it, and the life of what was sent, as one table.

    intended ─ sent ─┬─ resting ─┬─ filled          intended: durable, not yet on the wire
                     ├─ unknown ─┤                  unknown:  no answer that can be believed; evidence is looked for
                     └─ rejected └─ cancelled       void:     evidence that it never came to be

Units: prices 1e-4 dollar, always YES prices: a bid is long YES, an ask long NO (or closes YES); counts 0.01 contract,
times microseconds since the epoch, TTLs seconds.
Never: a state that was guessed. Whatever is not in the table is a broken invariant.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from traderv3.domain.units import Price, Qty

NOTHING: Final = Qty(0)


class TimeInForce(enum.StrEnum):
    """How long an order lives."""

    GTC = "good_till_canceled"
    IOC = "immediate_or_cancel"
    FOK = "fill_or_kill"


# -- what is wanted ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order that a strategy wants. `ttl_s`: cancelled when it has rested for so long; None: until told."""

    strategy: str
    ticker: str
    is_bid: bool
    price: Price
    count: Qty
    time_in_force: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    is_reduce_only: bool = False
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another price or size of an order of ours; `count` is what is to rest, beside what has filled."""

    client_order_id: str
    price: Price
    count: Qty


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """An order of ours is no longer wanted."""

    client_order_id: str


Intent = Draft | Change | Withdrawal

W = TypeVar("W", Draft, Change)


@dataclass(frozen=True, slots=True)
class Approved(Generic[W]):
    """Risk has allowed this, at this moment and no other. Made by `trading.risk` alone; gateways take nothing else."""

    wanted: W
    at_us: int


@dataclass(frozen=True, slots=True)
class Refused(Generic[W]):
    """Risk has not: `rule` names the limit (`RISK_MAX_ORDER_SIZE`, …), `why` is a sentence with both numbers."""

    wanted: W
    at_us: int
    rule: str
    why: str


# -- the life of one order -----------------------------------------------------------------------------------------


class OrderState(enum.StrEnum):
    """What is known of an order."""

    INTENDED = "intended"
    SENT = "sent"
    UNKNOWN = "unknown"
    RESTING = "resting"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    VOID = "void"


class OrderEvent(enum.StrEnum):
    """What may be learned of an order. A fill is no event, only a count: that nothing is left, the venue says."""

    WRITTEN = "written"  # its request goes on the wire
    LOST = "lost"  # time-out, 5xx, a broken connection, or a restart in between
    REFUSED = "refused"  # the venue said no, for this very request
    SEEN_RESTING = "seen_resting"  # an answer, a message or a read says that it rests
    SEEN_FILLED = "seen_filled"  # nothing is left, and all of it was filled
    SEEN_CANCELLED = "seen_cancelled"  # nothing is left, and not all of it was filled
    SEEN_ABSENT = "seen_absent"  # reads newer than its request know nothing of it
    DROPPED = "dropped"  # never written: halted, expired or refused by ourselves on the way


_S, _E = OrderState, OrderEvent

OPEN: Final = frozenset({_S.INTENDED, _S.SENT, _S.UNKNOWN, _S.RESTING})
OVER: Final = frozenset(_S) - OPEN

ORDER_TABLE: Final[Mapping[tuple[OrderState, OrderEvent], OrderState]] = MappingProxyType(
    {
        (_S.INTENDED, _E.WRITTEN): _S.SENT,
        (_S.INTENDED, _E.DROPPED): _S.VOID,
        (_S.INTENDED, _E.LOST): _S.UNKNOWN,  # a restart: the journal has the intent, not whether it was written
        (_S.SENT, _E.LOST): _S.UNKNOWN,
        (_S.SENT, _E.REFUSED): _S.REJECTED,
        (_S.SENT, _E.SEEN_RESTING): _S.RESTING,
        (_S.SENT, _E.SEEN_FILLED): _S.FILLED,
        (_S.SENT, _E.SEEN_CANCELLED): _S.CANCELLED,
        (_S.SENT, _E.SEEN_ABSENT): _S.SENT,  # its answer is still to come
        (_S.UNKNOWN, _E.LOST): _S.UNKNOWN,
        (_S.UNKNOWN, _E.SEEN_RESTING): _S.RESTING,
        (_S.UNKNOWN, _E.SEEN_FILLED): _S.FILLED,
        (_S.UNKNOWN, _E.SEEN_CANCELLED): _S.CANCELLED,
        (_S.UNKNOWN, _E.SEEN_ABSENT): _S.VOID,
        (_S.RESTING, _E.SEEN_RESTING): _S.RESTING,
        (_S.RESTING, _E.SEEN_FILLED): _S.FILLED,
        (_S.RESTING, _E.SEEN_CANCELLED): _S.CANCELLED,
        (_S.RESTING, _E.LOST): _S.RESTING,  # the answer to a create that the socket has told of already
        (_S.RESTING, _E.REFUSED): _S.RESTING,  # 409 to a create that was repeated: the first one had arrived
        (_S.RESTING, _E.SEEN_ABSENT): _S.UNKNOWN,  # it rested, and nobody has it now: it is looked for once more
        # Odd, and real: messages overtake each other, reads lag by up to 10 s.
        (_S.CANCELLED, _E.SEEN_FILLED): _S.FILLED,  # the fill was made before the cancel, and told after it
        (_S.CANCELLED, _E.SEEN_CANCELLED): _S.CANCELLED,
        (_S.CANCELLED, _E.SEEN_RESTING): _S.CANCELLED,  # an old read
        (_S.CANCELLED, _E.LOST): _S.CANCELLED,
        (_S.CANCELLED, _E.REFUSED): _S.CANCELLED,
        (_S.FILLED, _E.SEEN_FILLED): _S.FILLED,
        (_S.FILLED, _E.SEEN_RESTING): _S.FILLED,  # an old read
        (_S.FILLED, _E.SEEN_CANCELLED): _S.FILLED,  # the venue's word for an order that ended by both
        (_S.FILLED, _E.LOST): _S.FILLED,
        (_S.FILLED, _E.REFUSED): _S.FILLED,
        (_S.REJECTED, _E.SEEN_RESTING): _S.RESTING,  # a 409 that meant our own first try
        (_S.REJECTED, _E.SEEN_FILLED): _S.FILLED,
        (_S.REJECTED, _E.SEEN_CANCELLED): _S.CANCELLED,
        # A request that was late on the wire: absence proved nothing after all. Its order is ours, and is taken up.
        (_S.VOID, _E.SEEN_RESTING): _S.RESTING,
        (_S.VOID, _E.SEEN_FILLED): _S.FILLED,
        (_S.VOID, _E.SEEN_CANCELLED): _S.CANCELLED,
        # Answers were lost on their way to us: what happened to the request is learned late, or from the order alone.
        (_S.INTENDED, _E.REFUSED): _S.REJECTED,
        (_S.INTENDED, _E.SEEN_RESTING): _S.RESTING,
        (_S.INTENDED, _E.SEEN_FILLED): _S.FILLED,
        (_S.INTENDED, _E.SEEN_CANCELLED): _S.CANCELLED,
        (_S.UNKNOWN, _E.WRITTEN): _S.SENT,  # it had waited all the while; one try is all that a request gets
        (_S.UNKNOWN, _E.DROPPED): _S.VOID,
        (_S.UNKNOWN, _E.REFUSED): _S.UNKNOWN,  # of this try; the reads tell whether it was the only one
        (_S.VOID, _E.WRITTEN): _S.SENT,
        (_S.VOID, _E.DROPPED): _S.VOID,
        (_S.VOID, _E.LOST): _S.UNKNOWN,
        (_S.VOID, _E.REFUSED): _S.VOID,
    }
)


@dataclass(frozen=True, slots=True)
class Cancelling:
    """A cancel is on its way."""

    since_us: int


@dataclass(frozen=True, slots=True)
class Changing:
    """An amend or decrease is on its way."""

    since_us: int
    price: Price
    count: Qty


InFlight = Cancelling | Changing


@dataclass(slots=True, kw_only=True)
class Order:
    """One order of ours. The engine alone changes it. `remaining` is what may still fill, 0 once it is over.

    `doubt` is a change whose answer never came: it may have been made, until the venue's word is younger. `booked` is how much
    of `filled` is in the position: an answer may tell of a fill before the fill itself is told. `unheard` rests no more, and
    may have filled: the next word of the venue on the order says.
    """

    client_order_id: str
    strategy: str
    ticker: str
    is_bid: bool
    price: Price
    count: Qty
    time_in_force: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False
    ttl_s: float | None = None
    created_us: int
    state: OrderState = OrderState.INTENDED
    order_id: str | None = None
    filled: Qty = NOTHING
    booked: Qty = NOTHING
    unheard: Qty = NOTHING
    remaining: Qty = NOTHING
    in_flight: InFlight | None = None
    doubt: Changing | None = None
    since_us: int = 0  # in this state
    told_us: int = 0  # by the venue's clock: how old its newest word on price and counts is
    why: str | None = None  # the venue's or our own word for how it ended, or why it is unknown

    @property
    def is_open(self) -> bool:
        """It may rest at the venue, or come to rest."""
        return self.state in OPEN

    @property
    def unbooked(self) -> Qty:
        """What has filled, or may have, and is in no position yet."""
        return Qty(max(0, self.filled - self.booked) + self.unheard)

    @property
    def is_at_risk(self) -> bool:
        """It may yet do something to a position, rest it or not."""
        return self.is_open or self.unbooked > 0

    @property
    def may_rest(self) -> Qty:
        """The most that may rest of it, changes on their way or in doubt included."""
        return max(self.remaining, *(change.count for change in self._changes), NOTHING)

    @property
    def at_worst(self) -> tuple[Price, Qty]:
        """What it may yet do to the position: the price nearest to the other side, and the most that may fill at it."""
        prices = [self.price, *(change.price for change in self._changes)]
        return max(prices) if self.is_bid else min(prices), Qty(self.may_rest + self.unbooked)

    @property
    def _changes(self) -> list[Changing]:
        return [change for change in (self.in_flight, self.doubt) if isinstance(change, Changing)]
