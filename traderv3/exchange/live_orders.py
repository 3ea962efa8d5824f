"""A member's order while it may still change, and whom one action of the book has touched.

Units: times microseconds since the epoch. Never: a decision, or a word to the floor; both records are the pit's to change.
"""

import random
import uuid
from typing import TYPE_CHECKING

from traderv3.domain.claims import Claim
from traderv3.exchange.listing import Listing
from traderv3.exchange.records import Cause, OrderRecord

if TYPE_CHECKING:
    from traderv3.exchange.accounts import Account
    from traderv3.exchange.order_groups import Group


def new_id(rng: random.Random) -> str:
    """A UUID of version 4."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


class LiveOrder:
    """A member's order while it may still change. `accumulated` are its rounding fees, `engine_id` its name in the book."""

    __slots__ = ("accumulated", "engine_id", "listing", "record")

    def __init__(self, record: OrderRecord, listing: Listing) -> None:
        self.record = record
        self.listing = listing
        self.accumulated = 0
        self.engine_id = 0

    @property
    def cause(self) -> Cause:
        """The order as the reason of a change of the book."""
        return Cause(self.record.user_id, self.record.subaccount, self.record.client_order_id)

    @property
    def claim(self) -> Claim:
        """What it may yet do to its account."""
        return Claim(self.record.is_bid, self.record.price, self.record.remaining)


class Action:
    """Whom one action of the book has touched."""

    __slots__ = ("accounts", "at_us", "groups")

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us
        self.accounts: dict[Account, dict[str, None]] = {}  # and the tickers whose position changed
        self.groups: dict[Group, None] = {}
