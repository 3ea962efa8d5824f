"""The read replica behind the portfolio's GETs: every member's facts, as old as it is told to be.

It is fed by the same facts as the private channels and applies each once it is `lag_us` old, as the venue's own reads lag
its writes. Units: as in `records`; times microseconds since the epoch.
Source: captures of June 2026 (a cancelled order still resting 360 ms later); `GET /exchange/user_data_timestamp`.
Never: a look into the desk, or memory without bound: dead orders, fills and settlements beyond a limit are forgotten.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from traderv3.exchange.records import (
    BalanceChanged,
    BalanceRecord,
    Filled,
    FillRecord,
    GroupChanged,
    GroupEvent,
    GroupRecord,
    GroupTouched,
    MemberFact,
    OrderChanged,
    OrderRecord,
    OrderStatus,
    PositionChanged,
    PositionRecord,
    Settled,
    SettlementRecord,
)

WAITING_MAX: Final = 200_000  # facts that are not old enough yet; beyond that the oldest are applied early
ORDERS_MAX: Final = 100_000  # of one member
FILLS_MAX: Final = 100_000
SETTLEMENTS_MAX: Final = 10_000

Place = tuple[int, str]  # subaccount, market ticker


@dataclass(slots=True)
class Portfolio:
    """What one member can read. Orders by id in the order of their creation; groups as long as they exist."""

    orders: dict[str, OrderRecord] = field(default_factory=dict)
    fills: deque[FillRecord] = field(default_factory=lambda: deque(maxlen=FILLS_MAX))
    positions: dict[Place, PositionRecord] = field(default_factory=dict)
    settlements: deque[SettlementRecord] = field(default_factory=lambda: deque(maxlen=SETTLEMENTS_MAX))
    balances: dict[int, BalanceRecord] = field(default_factory=dict)
    groups: dict[str, GroupRecord] = field(default_factory=dict)
    settled: set[Place] = field(default_factory=set)

    def apply(self, fact: MemberFact) -> None:
        """Take one fact over."""
        match fact:
            case OrderChanged(order, _):
                self.orders[order.order_id] = order
                if len(self.orders) > ORDERS_MAX:
                    self._forget_a_dead_order()
            case Filled(fill):
                self.fills.append(fill)
            case PositionChanged(position):
                self.positions[position.subaccount, position.ticker] = position
            case Settled(settlement):
                self.settlements.append(settlement)
                self.settled.add((settlement.subaccount, settlement.ticker))
            case BalanceChanged(balance):
                self.balances[balance.subaccount] = balance
            case GroupChanged(group, GroupEvent.DELETED):
                self.groups.pop(group.group_id, None)
            case GroupChanged(group, _) | GroupTouched(group):
                self.groups[group.group_id] = group

    def _forget_a_dead_order(self) -> None:
        oldest = islice(self.orders.values(), ORDERS_MAX // 100)
        dead = next((order for order in oldest if order.status is not OrderStatus.RESTING), None)
        if dead is not None:
            del self.orders[dead.order_id]


class Replica:
    """Every member's portfolio as of `lag_us` ago."""

    def __init__(self, *, lag_us: int = 0) -> None:
        self.lag_us = lag_us
        self._portfolios: dict[str, Portfolio] = {}
        self._waiting: deque[tuple[int, str, MemberFact]] = deque()

    def hear(self, fact: MemberFact, *, now_us: int) -> None:
        """Take one fact; reads show it `lag_us` later."""
        self._waiting.append((now_us, _user_id(fact), fact))
        self.catch_up(now_us)

    def as_of_us(self, now_us: int) -> int:
        """How fresh a read at this time is."""
        return now_us - self.lag_us

    def portfolio(self, user_id: str, *, now_us: int) -> Portfolio:
        """What a member reads at this time; an unknown member reads nothing."""
        self.catch_up(now_us)
        return self._portfolios.get(user_id) or Portfolio()

    def latest_order(self, user_id: str, order_id: str) -> OrderRecord | None:
        """An order as it is, whatever the lag: for whoever has to compare, never for a read."""
        for _, _, fact in reversed(self._waiting):
            if isinstance(fact, OrderChanged) and fact.order.order_id == order_id and fact.order.user_id == user_id:
                return fact.order
        portfolio = self._portfolios.get(user_id)
        return None if portfolio is None else portfolio.orders.get(order_id)

    def catch_up(self, now_us: int) -> None:
        """Apply what has become old enough."""
        latest_us = now_us - self.lag_us
        waiting = self._waiting
        while waiting and (waiting[0][0] <= latest_us or len(waiting) > WAITING_MAX):
            _, user_id, fact = waiting.popleft()
            portfolio = self._portfolios.get(user_id)
            if portfolio is None:
                portfolio = self._portfolios[user_id] = Portfolio()
            portfolio.apply(fact)


def _user_id(fact: MemberFact) -> str:
    match fact:
        case OrderChanged(order, _):
            return order.user_id
        case Filled(fill):
            return fill.user_id
        case PositionChanged(position):
            return position.user_id
        case BalanceChanged(balance):
            return balance.user_id
        case Settled(settlement):
            return settlement.user_id
        case GroupChanged(group, _) | GroupTouched(group):
            return group.user_id
