"""Between the engine, which decides, and whoever carries orders out: requests, their outcomes, and the account's facts.

Two carry out: the gateway (a venue) and the shadow venue (`local`: the same matching engine against live books). The
engine hands over a request without a wait and hears of its outcome as an `Answer` in its mailbox; so neither can hold the
other up, and a halt needs no engine.
Units as in `domain.orders`; money 1e-6 dollar.
Never: an outcome that was assumed. A time-out, a 5xx, a lost connection are `Unknown`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from traderv3.domain.market_facts import Fill, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.domain.orders import Approved, Change, Draft
from traderv3.domain.positions import Settlement
from traderv3.domain.units import Money, Qty

# -- requests ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Create:
    """Send this new order under this id, for ever its own."""

    client_order_id: str
    order: Approved[Draft]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel one order."""

    client_order_id: str
    order_id: str
    ticker: str


@dataclass(frozen=True, slots=True)
class Amend:
    """Another price, or more size; the order goes to the back of its queue. `count` is filled + what is to rest."""

    order_id: str
    ticker: str
    is_bid: bool
    count: Qty
    change: Approved[Change]


@dataclass(frozen=True, slots=True)
class Decrease:
    """Less size; the order keeps its place."""

    client_order_id: str
    order_id: str
    ticker: str
    to: Qty


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel every order of the account, whoever made it."""

    why: str


Request = Create | Cancel | Amend | Decrease | CancelAll


# -- outcomes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """Not yet an outcome: the request goes on the wire now, or (`is_dropped`) it never will; `why` says so."""

    is_dropped: bool = False
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue did it. `filled` and `remaining` are the order's, by this answer; None where it does not say.

    `cancelled` is what a cancel took away; what else we took to rest has filled.
    """

    order_id: str
    filled: Qty | None
    remaining: Qty | None
    at_us: int  # by the venue's clock
    cancelled: Qty | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue said no to this very request. `code` is its word; a 404 to a cancel proves nothing and is `Unknown`."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say what became of it."""

    why: str


Outcome = Written | Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request, and when we knew."""

    request: Request
    outcome: Outcome
    received_us: int


# -- what the account says -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missed:
    """In-band mark: facts before this point may be lost; only a snapshot of the account makes up for it."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    """One market's position as the venue shows it; `position` below 0 is NO."""

    ticker: str
    position: Qty
    exposure: Money
    realized_pnl: Money
    fees_paid: Money
    updated_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The account, read whole. `as_of_us` is the venue's own time of its read replica, `asked_us` ours before the reads.

    `orders` are all that rest and those of ours that changed since the cursor, `fills` those since the cursor, `settlements`
    the markets that paid since: their positions are not listed any more.
    """

    asked_us: int
    as_of_us: int
    orders: Sequence[UserOrder]
    fills: Sequence[Fill]
    positions: Sequence[HeldPosition]
    balance: Money
    settlements: Sequence[Settlement] = ()


AccountFact = Fill | UserOrder | MarketPosition | OrderGroupUpdate
EngineItem = Answer | AccountFact | Missed | Snapshot


# -- who carries out, who reads, who keeps --------------------------------------------------------------------------


class OrderPort(Protocol):
    """Carries requests out. Neither method waits; each request is answered (`Written`, then its outcome)."""

    def submit(self, requests: Sequence[Request]) -> None:
        """Take these, in this order; one that cannot be taken (full, halted, closed) is answered as dropped."""

    def is_clear(self) -> bool:
        """Nothing is on its way."""


class AccountReads(Protocol):
    """Reads the account whole. Raises what the REST client raises (`TraderError`)."""

    async def snapshot(self, since_us: int) -> Snapshot:
        """Everything as of now; fills and changed orders since then."""


@dataclass(frozen=True, slots=True)
class KeptIntent:
    """A create that the intent log holds and that is not known to be over: what a restart begins with."""

    client_order_id: str
    draft: Draft
    at_us: int
    order_id: str | None


class IntentLog(Protocol):
    """The durable journal of what we were about to do. Never says done before the disk has it."""

    def next_id(self) -> str:
        """A `client_order_id` that was never used and never will be again, restarts included."""

    async def keep(self, requests: Sequence[Request], at_us: int) -> None:
        """Durable when it returns. Raises `OSError`: then nothing may be sent."""

    def note(self, client_order_id: str, *, order_id: str | None = None, is_over: bool = False) -> None:
        """What was learned since; kept with the next write, no promise."""

    @property
    def open(self) -> Sequence[KeptIntent]:
        """What an earlier run left, as of its start."""
