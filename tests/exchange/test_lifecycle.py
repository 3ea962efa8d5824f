"""A market's life: the table of statuses, what is announced and what is silent, and settlement."""

import itertools
from typing import Any

import pytest

from tests.exchange.house import MILLION, OTHER, SECOND_US, START_US, TICKER, House, market
from traderv3.exchange.lifecycle import TRANSITIONS, MarketStatus, Step
from traderv3.exchange.listing import Listing
from traderv3.exchange.records import OrderStatus, Rejected, Settled, SettlementRecord


def house(*markets: Any) -> House:
    made = House(*markets)
    made.open("ann", "bob")
    return made


def listing(h: House) -> Listing:
    return h.floor.listings[TICKER]


def announced(h: House) -> list[tuple[str, dict[str, object]]]:
    return [(moved.event_type, dict(moved.members)) for moved in h.floor.moves]


def refusal(verb: Any, *args: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(Rejected) as caught:
        verb(*args, **more)
    return caught.value.status, caught.value.code


def verbs(h: House) -> dict[Step, Any]:
    return {
        Step.DEACTIVATE: lambda: h.desk.deactivate(TICKER),
        Step.ACTIVATE: lambda: h.desk.activate(TICKER),
        Step.CLOSE: lambda: h.desk.close(TICKER),
        Step.SETTLE: lambda: h.desk.settle(TICKER),
    }


@pytest.mark.parametrize(
    ("status", "step"),
    list(itertools.product(MarketStatus, [Step.DEACTIVATE, Step.ACTIVATE, Step.CLOSE, Step.SETTLE])),
)
def test_a_market_moves_as_the_table_says_and_else_stays(status: MarketStatus, step: Step) -> None:
    h = house()
    listing(h).status = status
    listing(h).settlement_value = 0
    target = TRANSITIONS.get((status, step))
    if target is None:
        assert refusal(verbs(h)[step]) == (409, "invalid_market_status")
        assert listing(h).status is status
    else:
        verbs(h)[step]()
        assert listing(h).status is target


def test_opening_and_closing_by_the_clock_are_silent() -> None:
    h = house()
    soon = market("KXDEMO-99-C", open_us=START_US + SECOND_US, close_us=START_US + 5 * SECOND_US)
    made = h.desk.create_market(soon)
    h.floor.moves.clear()
    statuses = [made.status]
    for _ in range(6):
        h.pass_time(1)
        statuses.append(made.status)

    assert statuses == ["initialized", *["active"] * 4, *["closed"] * 2]
    assert not h.floor.moves


def test_a_created_market_is_announced_with_what_the_venue_sends() -> None:
    h = house()
    h.desk.create_market(market("KXDEMO-99-C", structure="deci_cent", floor_strike=5.5))
    ((event_type, members),) = announced(h)

    assert event_type == "created"
    assert members["price_level_structure"] == "deci_cent"
    assert members["open_ts"] == 1_767_225_600
    assert isinstance(members["additional_metadata"], dict)
    assert members["additional_metadata"]["floor_strike"] == 5.5
    assert "cap_strike" not in members["additional_metadata"]
    assert h.order("ann", "bid 1 @ 50.1", ticker="KXDEMO-99-C").status is OrderStatus.RESTING
    assert refusal(h.desk.create_market, market("KXDEMO-99-C")) == (409, "market_already_exists")


@pytest.mark.parametrize("status", ["initialized", "closed", "determined", "finalized"])
def test_a_market_that_is_not_open_takes_no_operation_not_even_a_cancel(status: str) -> None:
    h = house()
    record = h.order("ann", "bid 2 @ 50")
    listing(h).status = MarketStatus(status)

    for verb in (
        lambda: h.order("ann", "bid 1 @ 50"),
        lambda: h.amend("ann", record, "bid 1 @ 50"),
        lambda: h.desk.decrease("ann", record.order_id, by=1),
        lambda: h.desk.cancel("ann", record.order_id),
    ):
        assert refusal(verb) == (400, "MARKET_INACTIVE")
    assert h.desk.cancel_all("ann") == []


def test_soon_after_its_close_a_markets_orders_are_cancelled() -> None:
    h = house()
    record = h.order("ann", "bid 2 @ 50")
    h.desk.move_close(TICKER, START_US + 10 * SECOND_US)
    h.pass_time(10)
    assert refusal(h.desk.cancel, "ann", record.order_id) == (400, "MARKET_INACTIVE")
    h.pass_time(1)

    assert h.reasons("ann")[-1] == ("canceled", "CloseCancel")
    assert h.balance("ann") == MILLION
    assert announced(h) == [("close_date_updated", {"close_ts": START_US // SECOND_US + 10})]


def test_a_halted_market_refuses_like_a_pause_and_loses_its_orders_when_it_goes_on() -> None:
    h = house()
    h.order("ann", "bid 2 @ 50")
    withdrawn = h.order("ann", "bid 2 @ 49")
    h.order("ann", "bid 2 @ 50", ticker=OTHER)
    h.desk.deactivate(TICKER)
    assert refusal(h.order, "ann", "bid 2 @ 50") == (409, "trading_is_paused")
    assert h.desk.cancel("ann", withdrawn.order_id)[1] == 200
    h.desk.activate(TICKER)

    assert h.reasons("ann")[-1] == ("canceled", "HaltCancel")
    assert (h.book(TICKER)[0], h.book(OTHER)[0]) == ({}, {5000: 200})
    assert announced(h) == [("deactivated", {"is_deactivated": True}), ("activated", {"is_deactivated": False})]


def test_a_closed_market_re_opens_with_two_messages_and_an_empty_book() -> None:
    h = house()
    h.order("ann", "bid 2 @ 50")
    h.desk.close(TICKER)
    h.desk.move_close(TICKER, START_US + 60 * SECOND_US)
    h.pass_time(30)

    assert [event_type for event_type, _ in announced(h)][1:] == ["close_date_updated", "activated"]
    assert (listing(h).status, h.book()[0]) == ("active", {})
    assert h.order("ann", "bid 1 @ 50").status is OrderStatus.RESTING
    h.pass_time(30)
    assert listing(h).status == "closed"


def test_a_new_grid_is_announced_and_holds_from_now_on() -> None:
    h = house()
    h.desk.change_structure(TICKER, "deci_cent")
    ((event_type, members),) = announced(h)

    assert (event_type, members["price_level_structure"]) == ("price_level_structure_updated", "deci_cent")
    assert h.order("ann", "bid 1 @ 50.1").price == 5010
    assert refusal(h.desk.change_structure, TICKER, "no_such") == (400, "invalid_parameters")


# -- determination and settlement ------------------------------------------------------------------------------------


def settlements(h: House) -> dict[str, SettlementRecord]:
    return {f.settlement.user_id: f.settlement for f in h.floor.facts if isinstance(f, Settled)}


def traded(h: House, terms: str = "10 @ 40") -> None:
    h.order("bob", f"ask {terms}")
    h.order("ann", f"bid {terms}")


@pytest.mark.parametrize(
    ("result", "value", "ann", "bob"),
    [("yes", None, 10_000_000, 0), ("no", None, 0, 10_000_000), ("scalar", 2500, 2_500_000, 7_500_000)],
)
def test_settlement_pays_the_net_position_after_the_timer(result: str, value: int | None, ann: int, bob: int) -> None:
    h = house()
    traded(h)
    h.order("ann", "bid 5 @ 10")
    h.desk.determine(TICKER, result, value)
    assert (listing(h).status, h.balance("ann")) == ("determined", MILLION - 4_000_000)
    h.pass_time(59)
    assert not settlements(h)
    h.pass_time(1)

    assert listing(h).status == "finalized"
    assert (h.balance("ann"), h.balance("bob")) == (MILLION - 4_000_000 + ann, MILLION - 6_000_000 + bob)
    paid = settlements(h)
    assert (paid["ann"].revenue, paid["ann"].yes_count, paid["ann"].yes_cost) == (ann, 1000, 4_000_000)
    assert (paid["bob"].revenue, paid["bob"].no_count, paid["bob"].no_cost) == (bob, 1000, 6_000_000)
    assert (h.position("ann"), h.position("bob")) == (0, 0)
    h.desk.check()


def test_what_is_announced_of_an_end() -> None:
    h = house()
    h.desk.determine(TICKER, "scalar", 5000)
    h.pass_time(60)
    now_s = START_US // SECOND_US

    assert announced(h) == [
        ("close_date_updated", {"close_ts": now_s}),
        ("determined", {"determination_ts": now_s, "result": "scalar", "settlement_value": "0.5000"}),
        ("settled", {"settled_ts": now_s + 60}),
    ]
    assert (listing(h).result, listing(h).settlement_value, listing(h).settled_us) == ("scalar", 5000, h.at_us)


def test_a_payout_below_a_cent_is_kept_as_a_settlement_fee() -> None:
    h = house()
    traded(h, "0.01 @ 40")
    h.desk.determine(TICKER, "scalar", 3333)
    h.desk.settle(TICKER)
    paid = settlements(h)

    assert [(paid[user].revenue, paid[user].fee) for user in ("ann", "bob")] == [(0, 3333), (0, 6667)]
    assert h.desk.pit.ledger.fees == 10_000
    h.desk.check()


def test_profit_is_what_came_minus_what_it_cost() -> None:
    h = house()
    traded(h)
    h.desk.determine(TICKER, "yes")
    h.desk.settle(TICKER)
    positions = h.desk.pit.ledger.account("ann", 0).positions[TICKER]

    assert (positions.realized_pnl, positions.cost) == (6_000_000, 0)


@pytest.mark.parametrize(("result", "value"), [("scalar", None), ("scalar", 10_001), ("maybe", 5000), ("", None)])
def test_a_result_is_yes_no_or_a_scalar_with_its_value(result: str, value: int | None) -> None:
    h = house()

    assert refusal(h.desk.determine, TICKER, result, value) == (400, "invalid_parameters")
    assert listing(h).status == "active"


def test_a_market_settles_once() -> None:
    h = house()
    traded(h)
    h.desk.determine(TICKER, "yes")
    h.desk.settle(TICKER)
    h.pass_time(60)

    assert refusal(h.desk.settle, TICKER) == (409, "invalid_market_status")
    assert refusal(h.desk.determine, TICKER, "no") == (409, "invalid_market_status")
    assert len([fact for fact in h.floor.facts if isinstance(fact, Settled)]) == 2
