"""Order groups: how much of a member's orders may fill within a rolling 15 seconds before all of them are cancelled.

    armed ── fills of 15 s exceed the limit, limit lowered under them, or `trigger` ──► triggered ── reset ──► armed

A triggered group takes no orders. The window is looked at when something fills and when the limit changes; that time
passes can only empty it. Within one action of the book all fills are booked before the group is looked at.
Units: counts 0.01 contract, times microseconds since the epoch. Source: Kalshi's OpenAPI document 3.34.0.
Never: an order cancelled here; who asks does that.
"""

from collections import deque
from typing import Final

from traderv3.domain.units import CONTRACT
from traderv3.exchange.records import GroupRecord, Rejected

WINDOW_US: Final = 15_000_000
LIMITS: Final = range(CONTRACT, 1_000_000 * CONTRACT + 1)
GROUPS_MAX: Final = 100_000  # of one member, as at the venue


class Group:
    """One group; `order_ids` are those of its orders that rest, in the order of their arrival."""

    def __init__(self, group_id: str, user_id: str, subaccount: int, limit: int) -> None:
        self.group_id = group_id
        self.user_id = user_id
        self.subaccount = subaccount
        self.limit = limit
        self.is_triggered = False
        self.order_ids: dict[str, None] = {}
        self._fills: deque[tuple[int, int]] = deque()  # at most one entry for each 0.01 contract of the limit
        self._filled = 0

    def add_fill(self, count: int, at_us: int) -> None:
        """Count one fill of one of its orders."""
        assert count > 0
        self._fills.append((at_us, count))
        self._filled += count
        self._forget(at_us)

    def is_exceeded(self, at_us: int) -> bool:
        """Whether an armed group has filled more than it may."""
        self._forget(at_us)
        return not self.is_triggered and self._filled > self.limit

    def trigger(self) -> None:
        """From now on it takes no orders."""
        self.is_triggered = True

    def reset(self) -> None:
        """Armed again, and nothing has filled."""
        self.is_triggered = False
        self._fills.clear()
        self._filled = 0

    def record(self, at_us: int) -> GroupRecord:
        """The group as it is now."""
        return GroupRecord(
            group_id=self.group_id,
            user_id=self.user_id,
            subaccount=self.subaccount,
            limit=self.limit,
            is_triggered=self.is_triggered,
            order_ids=tuple(self.order_ids),
            at_us=at_us,
        )

    def _forget(self, at_us: int) -> None:
        while self._fills and self._fills[0][0] <= at_us - WINDOW_US:
            self._filled -= self._fills.popleft()[1]


class OrderGroups:
    """The groups of all members."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, Group]] = {}

    def create(self, group_id: str, user_id: str, limit: int, subaccount: int) -> Group:
        """A new, armed group. Raises `Rejected`."""
        check_limit(limit)
        groups = self._groups.setdefault(user_id, {})
        if len(groups) >= GROUPS_MAX:
            raise Rejected(400, "invalid_parameters", details=f"at most {GROUPS_MAX} order groups")
        groups[group_id] = group = Group(group_id, user_id, subaccount, limit)
        return group

    def find(self, user_id: str, group_id: str) -> Group:
        """A member's own group. Raises `Rejected`."""
        group = self._groups.get(user_id, {}).get(group_id)
        if group is None:
            raise Rejected(404, "not_found")
        return group

    def delete(self, group: Group) -> None:
        """Forget it."""
        del self._groups[group.user_id][group.group_id]

    def group_of(self, user_id: str, group_id: str | None) -> Group | None:
        """The group of an order, None if it has none or it was deleted since."""
        return self._groups.get(user_id, {}).get(group_id) if group_id else None


def check_limit(limit: int) -> None:
    """Raise `Rejected` unless `limit` is one to a million contracts."""
    if limit not in LIMITS:
        raise Rejected(400, "invalid_parameters", details="contracts_limit must be 1 to 1000000")
