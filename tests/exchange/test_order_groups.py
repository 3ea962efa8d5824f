"""Order groups: the rolling window, what triggers a group, and the five events."""

from typing import Any

import pytest

from tests.exchange.house import MILLION, House
from traderv3.exchange.records import GroupChanged, GroupRecord, GroupTouched, OrderStatus, Rejected


def house() -> House:
    made = House()
    made.open("ann", "bob")
    return made


def events(h: House) -> list[str]:
    return [fact.event.value for fact in h.floor.facts if isinstance(fact, GroupChanged)]


def refusal(verb: Any, *args: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(Rejected) as caught:
        verb(*args, **more)
    return caught.value.status, caught.value.code


def test_a_group_knows_its_resting_orders() -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    first = h.order("ann", "bid 1 @ 50", group_id=group.group_id)
    second = h.order("ann", "bid 1 @ 49", group_id=group.group_id)
    h.desk.cancel("ann", first.order_id)
    touched = [fact.group.order_ids for fact in h.floor.facts if isinstance(fact, GroupTouched)]

    assert touched == [(first.order_id,), (first.order_id, second.order_id), (second.order_id,)]


def filled(h: House, group: GroupRecord, contracts: int) -> None:
    """Let so many contracts of a group's order fill."""
    h.order("ann", f"bid {contracts} @ 60", group_id=group.group_id)
    h.order("bob", f"ask {contracts} @ 60")


def test_fills_up_to_the_limit_are_fine_and_one_more_triggers() -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    resting = h.order("ann", "bid 9 @ 10", group_id=group.group_id)
    filled(h, group, 5)
    assert events(h) == ["created"]
    filled(h, group, 1)

    assert events(h) == ["created", "triggered"]
    assert resting.order_id not in h.desk.pit.live
    assert h.reasons("ann")[-1] == ("canceled", None)
    assert refusal(h.order, "ann", "bid 1 @ 50", group_id=group.group_id) == (400, "invalid_order")
    h.desk.check()


def test_the_rest_of_the_order_that_triggers_goes_too() -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    h.order("bob", "ask 6 @ 50")
    record = h.order("ann", "bid 9 @ 50", group_id=group.group_id)

    assert (record.status, record.filled) == (OrderStatus.CANCELED, 600)
    assert h.book() == ({}, {})


@pytest.mark.parametrize(("seconds", "is_triggered"), [(14.9, True), (15, False)])
def test_the_window_rolls_for_fifteen_seconds(seconds: float, is_triggered: bool) -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    filled(h, group, 5)
    h.pass_time(seconds)
    filled(h, group, 1)

    assert ("triggered" in events(h)) == is_triggered


def test_a_reset_empties_the_window_and_takes_orders_again() -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    filled(h, group, 6)
    assert not h.desk.reset_group("ann", group.group_id).is_triggered
    filled(h, group, 5)

    assert events(h) == ["created", "triggered", "reset"]


def test_a_limit_lowered_under_what_has_filled_triggers() -> None:
    h = house()
    group = h.desk.create_group("ann", 500)
    filled(h, group, 3)
    assert not h.desk.set_group_limit("ann", group.group_id, 300).is_triggered
    assert h.desk.set_group_limit("ann", group.group_id, 299).is_triggered

    assert events(h) == ["created", "limit_updated", "limit_updated", "triggered"]


def test_trigger_and_delete_cancel_what_rests() -> None:
    h = house()
    group, other = h.desk.create_group("ann", 500), h.desk.create_group("ann", 500)
    h.order("ann", "bid 1 @ 50", group_id=group.group_id)
    h.order("ann", "bid 1 @ 40", group_id=other.group_id)
    h.desk.trigger_group("ann", group.group_id)
    h.desk.trigger_group("ann", group.group_id)
    h.desk.delete_group("ann", other.group_id)

    assert h.balance("ann") == MILLION
    assert events(h) == ["created", "created", "triggered", "deleted"]
    assert refusal(h.desk.reset_group, "ann", other.group_id) == (404, "not_found")


def test_groups_are_their_members_and_subaccounts_own() -> None:
    h = house()
    group = h.desk.create_group("ann", 500, subaccount=1)

    assert refusal(h.desk.trigger_group, "bob", group.group_id) == (404, "not_found")
    assert refusal(h.order, "ann", "bid 1 @ 50", group_id=group.group_id) == (404, "not_found")
    assert refusal(h.order, "ann", "bid 1 @ 50", group_id="unknown") == (404, "not_found")


@pytest.mark.parametrize("limit", [0, 99, 100_000_001])
def test_a_limit_is_one_to_a_million_contracts(limit: int) -> None:
    assert refusal(house().desk.create_group, "ann", limit) == (400, "invalid_parameters")


def test_a_groups_orders_in_one_sweep_are_counted_together_afterwards() -> None:
    h = house()
    group = h.desk.create_group("ann", 150)
    for price in (50, 49, 48):
        h.order("ann", f"bid 1 @ {price}", group_id=group.group_id)
    h.order("bob", "ask 2 @ 40")

    assert h.position("ann") == 200
    assert h.book() == ({}, {})
    assert events(h) == ["created", "triggered"]
