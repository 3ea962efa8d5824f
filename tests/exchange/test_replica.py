"""The read replica: facts as old as it is told to be, never out of order, never without bound."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce
from traderv3.exchange import replica as replica_module
from traderv3.exchange.records import (
    BalanceChanged,
    BalanceRecord,
    GroupChanged,
    GroupEvent,
    GroupRecord,
    GroupTouched,
    MemberFact,
    OrderChanged,
    OrderRecord,
    OrderStatus,
)
from traderv3.exchange.replica import Replica

ORDER = OrderRecord(
    order_id="o-1",
    user_id="ann",
    subaccount=0,
    client_order_id="",
    ticker="KXA-1",
    is_bid=True,
    price=4_000,
    status=OrderStatus.RESTING,
    initial_count=100,
    filled=0,
    remaining=100,
    taker_cost=0,
    maker_cost=0,
    taker_fees=0,
    maker_fees=0,
    time_in_force=TimeInForce.GTC,
    self_trade=SelfTrade.TAKER,
    is_post_only=False,
    is_reduce_only=False,
    is_cancelled_on_pause=False,
    group_id=None,
    created_us=0,
    updated_us=0,
    expires_us=None,
)
GROUP = GroupRecord(group_id="g-1", user_id="ann", subaccount=0, limit=100, is_triggered=False, order_ids=(), at_us=0)


def balance(amount: int, user_id: str = "ann") -> MemberFact:
    return BalanceChanged(BalanceRecord(user_id=user_id, subaccount=0, balance=amount, portfolio_value=0, at_us=0))


def order(order_id: str, status: OrderStatus = OrderStatus.RESTING) -> MemberFact:
    return OrderChanged(replace(ORDER, order_id=order_id, status=status), None)


def test_without_lag_a_fact_is_read_at_once() -> None:
    replica = Replica()
    replica.hear(balance(5), now_us=10)

    assert replica.portfolio("ann", now_us=10).balances[0].balance == 5
    assert replica.portfolio("bob", now_us=10).balances == {}
    assert replica.as_of_us(10) == 10


@given(st.lists(st.integers(0, 1_000), max_size=30), st.integers(0, 2_000), st.integers(0, 40_000))
def test_a_read_shows_exactly_what_is_old_enough(pauses_us: list[int], lag_us: int, read_us: int) -> None:
    replica = Replica(lag_us=lag_us)
    times = list(itertools.accumulate(pauses_us))
    for i, told_us in enumerate(times):
        replica.hear(balance(i), now_us=told_us)
    at_us = read_us + (times[-1] if times else 0)
    old_enough = [i for i, told_us in enumerate(times) if told_us <= at_us - lag_us]
    expected = old_enough[-1] if old_enough else None
    shown = replica.portfolio("ann", now_us=at_us).balances.get(0)

    assert (None if shown is None else shown.balance) == expected


def test_who_compares_sees_an_order_as_it_is() -> None:
    replica = Replica(lag_us=1_000)
    replica.hear(order("o-1"), now_us=0)
    replica.hear(order("o-1", OrderStatus.CANCELED), now_us=1)
    latest = replica.latest_order("ann", "o-1")

    assert latest is not None
    assert latest.status is OrderStatus.CANCELED
    assert replica.latest_order("bob", "o-1") is None
    assert replica.portfolio("ann", now_us=1_000).orders["o-1"].status is OrderStatus.RESTING


def test_a_deleted_group_is_gone_and_a_touched_one_shows_its_orders() -> None:
    replica = Replica()
    replica.hear(GroupChanged(GROUP, GroupEvent.CREATED), now_us=0)
    replica.hear(GroupTouched(replace(GROUP, order_ids=("o-1",))), now_us=0)
    assert replica.portfolio("ann", now_us=0).groups["g-1"].order_ids == ("o-1",)
    replica.hear(GroupChanged(GROUP, GroupEvent.DELETED), now_us=0)

    assert replica.portfolio("ann", now_us=0).groups == {}


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "WAITING_MAX", 3)
    replica = Replica(lag_us=10**12)
    for i in range(5):
        replica.hear(balance(i), now_us=0)

    assert replica.portfolio("ann", now_us=0).balances[0].balance == 1


def test_dead_orders_are_forgotten_before_resting_ones() -> None:
    replica = Replica()
    replica.hear(order("keeps"), now_us=0)
    for i in range(replica_module.ORDERS_MAX):
        replica.hear(order(f"o-{i}", OrderStatus.CANCELED), now_us=0)
    orders = replica.portfolio("ann", now_us=0).orders

    assert len(orders) == replica_module.ORDERS_MAX
    assert "keeps" in orders
    assert "o-0" not in orders
