"""The desk's verbs for members: what each order kind does, what is refused and how, and what is told."""

from typing import Any

import pytest

from tests.exchange.house import MILLION, ORDINARY, OTHER, START_US, House, market
from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce
from traderv3.exchange.records import Amendment, OrderStatus, Rejected

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


def house(*users: str) -> House:
    made = House()
    made.open(*(users or ("ann", "bob")))
    return made


def refusal(verb: Any, *args: Any, **more: Any) -> tuple[int, str, str | None]:
    with pytest.raises(Rejected) as caught:
        verb(*args, **more)
    return caught.value.status, caught.value.code, caught.value.details


# -- matching --------------------------------------------------------------------------------------------------------


def test_orders_trade_at_the_resting_price_in_price_time_order_also_in_fractions() -> None:
    h = house("ann", "bob", "cid")
    first = h.order("ann", "ask 1.5 @ 52")
    h.order("bob", "ask 2 @ 51")
    h.order("ann", "ask 2 @ 52")
    taker = h.order("cid", "bid 4.25 @ 60")

    assert h.fills("cid") == [(5100, 200, 200), (5200, 150, 350), (5200, 75, 425)]
    assert (taker.status, taker.filled, taker.remaining) == (OrderStatus.EXECUTED, 425, 0)
    assert h.fills("ann") == [(5200, 150, -150), (5200, 75, -225)]
    assert first.order_id not in h.desk.pit.live
    assert h.book() == ({}, {4800: 125})
    h.desk.check()


def test_what_happened_is_told_in_order() -> None:
    h = house()
    h.order("ann", "ask 1 @ 50", client_order_id="a-1")
    h.floor.story.clear()
    h.floor.causes.clear()
    h.order("bob", "bid 3 @ 50", client_order_id="b-1")

    assert h.floor.story == [
        *("change", "change", "trade", "Filled", "Filled"),
        *("OrderChanged", "OrderChanged", "PositionChanged", "PositionChanged", "BalanceChanged", "BalanceChanged"),
    ]
    assert h.floor.causes == [("b-1", None), ("b-1", "a-1")]
    assert len({clock for *_, clock in h.floor.changes[1:]}) == 1, "one action has one clock"
    assert h.reasons("ann") == [("resting", None), ("executed", "Trade")]
    assert h.reasons("bob") == [("resting", "Trade")]


def test_both_sides_of_a_trade_know_it_by_the_printed_id() -> None:
    h = house()
    h.order("ann", "ask 1 @ 50")
    h.order("bob", "bid 1 @ 50")
    ids = {fact.fill.trade_id for fact in h.floor.facts if hasattr(fact, "fill")}

    assert ids == {h.floor.trades[0].trade_id}
    assert h.floor.trades[0].is_taker_yes


def test_an_ioc_that_finds_nothing_is_accepted_and_empty() -> None:
    h = house()
    record = h.order("ann", "bid 5 @ 50", tif=IOC)

    assert (record.status, record.filled, record.remaining) == (OrderStatus.CANCELED, 0, 0)
    assert h.book() == ({}, {})


def test_an_ioc_takes_what_is_there_and_lapses() -> None:
    h = house()
    h.order("bob", "ask 2 @ 50")
    record = h.order("ann", "bid 5 @ 50", tif=IOC)

    assert (record.status, record.filled, record.remaining, record.initial_count) == (
        OrderStatus.CANCELED,
        200,
        0,
        500,
    )
    assert h.balance("ann") == MILLION - 200 * 5000


def test_a_fok_fills_whole_or_is_refused_and_its_id_is_used_up() -> None:
    h = house()
    h.order("bob", "ask 2 @ 50")
    story = len(h.floor.story)

    assert refusal(h.order, "ann", "bid 3 @ 50", tif=FOK, client_order_id="x")[:2] == (
        409,
        "fill_or_kill_insufficient_resting_volume",
    )
    assert len(h.floor.story) == story, "nothing happened"
    assert refusal(h.order, "ann", "bid 2 @ 50", tif=FOK, client_order_id="x")[:2] == (409, "order_already_exists")
    assert h.order("ann", "bid 2 @ 50", tif=FOK, client_order_id="y").status is OrderStatus.EXECUTED


def test_a_post_only_order_rests_or_is_refused() -> None:
    h = house()
    h.order("bob", "ask 2 @ 50")

    assert refusal(h.order, "ann", "bid 1 @ 50", is_post_only=True) == (400, "invalid_order", "post only cross")
    assert h.order("ann", "bid 1 @ 49", is_post_only=True).status is OrderStatus.RESTING


# -- self-trade prevention -------------------------------------------------------------------------------------------


def test_taker_at_cross_cancels_the_newcomers_rest_and_leaves_the_resting_order() -> None:
    h = house()
    h.order("ann", "ask 2 @ 50")
    record = h.order("ann", "bid 3 @ 55")

    assert (record.status, record.filled, record.remaining) == (OrderStatus.CANCELED, 0, 0)
    assert h.reasons("ann")[-1] == ("canceled", "SelfTradeCancel")
    assert h.book() == ({}, {5000: 200})


def test_taker_at_cross_keeps_earlier_fills() -> None:
    h = house()
    h.order("ann", "ask 2 @ 50")
    h.order("bob", "ask 1 @ 49")

    assert h.order("ann", "bid 3 @ 55").filled == 100


def test_maker_cancels_the_resting_order_and_the_newcomer_goes_on() -> None:
    h = house()
    resting = h.order("ann", "ask 2 @ 50")
    h.order("bob", "ask 1 @ 51")
    record = h.order("ann", "bid 3 @ 55", self_trade=SelfTrade.MAKER)

    assert (record.filled, record.remaining) == (100, 200)
    assert resting.order_id not in h.desk.pit.live
    assert ("canceled", "SelfTradeCancel") in h.reasons("ann")
    h.desk.check()


def test_a_fok_that_would_cross_itself_is_handled_as_an_ioc() -> None:
    h = house()
    h.order("bob", "ask 1 @ 49")
    h.order("ann", "ask 2 @ 50")
    record = h.order("ann", "bid 3 @ 55", tif=FOK)

    assert (record.status, record.filled) == (OrderStatus.CANCELED, 100)


def test_subaccounts_of_one_member_do_not_trade_with_each_other() -> None:
    h = house()
    h.desk.open_account("ann", balance=MILLION, subaccount=3)
    h.order("ann", "ask 2 @ 50")

    assert h.order("ann", "bid 2 @ 50", subaccount=3).filled == 0


# -- reduce only, expiry ---------------------------------------------------------------------------------------------


def test_reduce_only_is_capped_at_the_open_position() -> None:
    h = house()
    h.order("bob", "ask 3 @ 50")
    h.order("ann", "bid 3 @ 50")
    h.order("bob", "bid 9 @ 40")
    record = h.order("ann", "ask 5 @ 40", tif=IOC, is_reduce_only=True)

    assert (record.status, record.filled, h.position("ann")) == (OrderStatus.EXECUTED, 300, 0)
    assert refusal(h.order, "ann", "ask 5 @ 40", tif=IOC, is_reduce_only=True)[:2] == (400, "invalid_order")
    assert refusal(h.order, "ann", "ask 5 @ 40", is_reduce_only=True)[:2] == (400, "invalid_order"), "GTC"


def test_reduce_only_fok_needs_the_capped_count_only() -> None:
    h = house()
    h.order("bob", "ask 3 @ 50")
    h.order("ann", "bid 3 @ 50")
    h.order("bob", "bid 3 @ 40")

    assert h.order("ann", "ask 5 @ 40", tif=FOK, is_reduce_only=True).filled == 300


def test_an_order_expires_at_its_time_and_not_before() -> None:
    h = house()
    h.order("ann", "bid 1 @ 50", expires_us=START_US + 10_000_000)
    h.pass_time(9.9)
    assert h.book()[0] == {5000: 100}
    h.pass_time(0.1)

    assert h.book()[0] == {}
    assert h.reasons("ann")[-1] == ("canceled", "ExpiryCancel")
    assert h.balance("ann") == MILLION


def test_an_expired_order_does_not_trade_though_nobody_stepped() -> None:
    h = house()
    h.order("ann", "bid 1 @ 50", expires_us=START_US + 10_000_000)
    h.at_us += 10_000_000

    assert h.order("bob", "ask 1 @ 50", tif=IOC).filled == 0


@pytest.mark.parametrize(
    ("terms", "more", "code"),
    [
        ("bid 0 @ 50", {}, "invalid_order_size"),
        ("bid 1 @ 50.5", {}, "invalid_price"),
        ("bid 1 @ 0", {}, "invalid_price"),
        ("bid 1 @ 100", {}, "invalid_price"),
        ("bid 1 @ 50", {"expires_us": START_US}, "invalid_order"),
        ("bid 1 @ 50", {"expires_us": START_US + 1, "tif": IOC}, "invalid_order"),
        ("bid 1 @ 50", {"is_post_only": True, "tif": IOC}, "invalid_order"),
        ("bid 1 @ 50", {"subaccount": 64}, "invalid_parameters"),
    ],
)
def test_orders_that_contradict_themselves_or_the_grid_are_refused(terms: str, more: dict[str, Any], code: str) -> None:
    assert refusal(house().order, "ann", terms, **more)[:2] == (400, code)


def test_a_finer_grid_takes_finer_prices() -> None:
    h = House(market(structure="deci_cent"))
    h.open("ann")

    assert h.order("ann", "bid 1 @ 50.5").price == 5050


def test_an_unknown_market_is_not_found() -> None:
    assert refusal(house().order, "ann", "bid 1 @ 50", ticker="NO")[:2] == (404, "market_not_found")


# -- ids, cancel -----------------------------------------------------------------------------------------------------


def test_a_client_order_id_is_used_up_for_ever_but_only_for_its_member() -> None:
    h = house()
    record = h.order("ann", "bid 1 @ 50", client_order_id="x")
    again = refusal(h.order, "ann", "bid 1 @ 50", client_order_id="x")
    h.desk.cancel("ann", record.order_id)

    assert again[:2] == refusal(h.order, "ann", "bid 1 @ 50", client_order_id="x")[:2] == (409, "order_already_exists")
    assert h.order("bob", "bid 1 @ 50", client_order_id="x").status is OrderStatus.RESTING


def test_a_refused_order_does_not_use_its_id_up() -> None:
    h = house()
    refusal(h.order, "ann", "bid 1 @ 50.5", client_order_id="x")
    refusal(h.order, "zoe", "bid 1 @ 50", client_order_id="x")

    assert h.order("ann", "bid 1 @ 50", client_order_id="x").status is OrderStatus.RESTING


def test_orders_without_an_id_are_not_each_others_duplicates() -> None:
    h = house()
    h.order("ann", "bid 1 @ 50")

    assert h.order("ann", "bid 1 @ 50").status is OrderStatus.RESTING


def test_cancel_says_how_much_rested_and_gives_the_money_back() -> None:
    h = house()
    record = h.order("ann", "bid 3 @ 50")
    h.order("bob", "ask 1 @ 50")
    cancelled, reduced_by = h.desk.cancel("ann", record.order_id)

    assert (cancelled.status, cancelled.filled, cancelled.remaining, reduced_by) == (
        OrderStatus.CANCELED,
        100,
        0,
        200,
    )
    assert h.reasons("ann")[-1] == ("canceled", None)
    assert h.balance("ann") == MILLION - 100 * 5000


def test_cancelling_dead_unknown_and_other_peoples_orders_looks_the_same() -> None:
    h = house()
    dead, executed, live = (h.order("ann", f"bid 1 @ {price}") for price in (50, 51, 40))
    h.desk.cancel("ann", dead.order_id)
    h.order("bob", "ask 1 @ 51")
    asked = [("ann", dead.order_id), ("ann", executed.order_id), ("ann", "unknown"), ("bob", live.order_id)]

    assert {refusal(h.desk.cancel, *each) for each in asked} == {(404, "not_found", None)}
    assert refusal(h.desk.cancel, "ann", live.order_id, subaccount=1)[:2] == (404, "not_found")


def test_cancel_all_takes_one_subaccount_or_all_and_nobody_elses() -> None:
    h = house()
    h.desk.open_account("ann", balance=MILLION, subaccount=2)
    h.order("ann", "bid 1 @ 50")
    h.order("ann", "bid 1 @ 40", ticker=OTHER)
    h.order("ann", "bid 1 @ 30", subaccount=2)
    h.order("bob", "bid 1 @ 20")

    assert [record.price for record in h.desk.cancel_all("ann", subaccount=2)] == [3000]
    assert [record.price for record in h.desk.cancel_all("ann")] == [5000, 4000]
    assert [live.record.user_id for live in h.desk.pit.live.values()] == ["bob"]


# -- amend, decrease, queue ------------------------------------------------------------------------------------------


def queue(h: House, *orders: Any) -> list[int]:
    return [h.desk.queue_position(order.user_id, order.order_id) for order in orders]


def test_a_queue_position_counts_what_stands_before() -> None:
    h = house()
    first, second, better = (h.order("ann", "bid 2 @ 50"), h.order("bob", "bid 1.5 @ 50"), h.order("ann", "bid 1 @ 51"))

    assert queue(h, first, second, better) == [100, 300, 0]
    assert refusal(h.desk.queue_position, "bob", first.order_id)[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("terms", "more", "positions"),
    [
        ("bid 1 @ 50", {}, [0, 100]),  # less: keeps its place
        ("bid 2 @ 50", {"expires_us": START_US + 1_000_000}, [0, 200]),  # expiry only
        ("bid 2.01 @ 50", {}, [100, 0]),  # more: to the back
        ("bid 2 @ 49", {}, [100, 0]),  # another price
    ],
)
def test_amending_keeps_the_place_only_for_less_or_another_expiry(
    terms: str, more: dict[str, Any], positions: list[int]
) -> None:
    h = house()
    first, second = h.order("ann", "bid 2 @ 50"), h.order("bob", "bid 1 @ 50")
    amended = h.amend("ann", first, terms, **more)

    assert queue(h, first, second) == positions
    assert amended.order_id == first.order_id
    assert h.reasons("ann")[-1] == ("resting", "Amend")
    h.desk.check()


def test_the_count_of_an_amendment_includes_what_is_filled() -> None:
    h = house()
    record = h.order("ann", "bid 3 @ 50")
    h.order("bob", "ask 1 @ 50")
    amended = h.amend("ann", record, "bid 5 @ 50")

    assert (amended.filled, amended.remaining, amended.initial_count) == (100, 400, 500)
    assert refusal(h.amend, "ann", record, "bid 1 @ 50")[:2] == (400, "invalid_order_size")


def test_an_amended_order_may_trade() -> None:
    h = house()
    h.order("bob", "ask 1 @ 55")
    record = h.order("ann", "bid 3 @ 50")
    amended = h.amend("ann", record, "bid 3 @ 56")

    assert (amended.filled, amended.remaining, h.fills("ann")) == (100, 200, [(5500, 100, 100)])
    assert h.book() == ({5600: 200}, {})


def test_a_post_only_order_amended_across_is_cancelled() -> None:
    h = house()
    h.order("bob", "ask 1 @ 55")
    record = h.order("ann", "bid 3 @ 50", is_post_only=True)
    amended = h.amend("ann", record, "bid 3 @ 56")

    assert (amended.status, amended.filled) == (OrderStatus.CANCELED, 0)
    assert h.reasons("ann")[-1] == ("canceled", "PostOnlyCrossCancel")
    assert (h.book(), h.balance("ann")) == (({}, {4500: 100}), MILLION)


def test_an_amendment_must_name_the_order_as_it_is() -> None:
    h = house()
    record = h.order("ann", "bid 3 @ 50", client_order_id="x")
    wrong = Amendment(ticker=OTHER, is_bid=True, price=5000, count=300)

    assert refusal(h.desk.amend, "ann", record.order_id, wrong)[1] == "order_ticker_mismatch"
    assert refusal(h.amend, "ann", record, "ask 3 @ 50")[1] == "order_side_mismatch"
    mismatch = refusal(h.amend, "ann", record, "bid 3 @ 50", client_order_id="y")
    assert mismatch[1] == "order_id_and_client_order_id_mismatch"
    assert refusal(h.amend, "bob", record, "bid 3 @ 50")[:2] == (404, "not_found")


def test_an_updated_client_order_id_is_used_up_as_well() -> None:
    h = house()
    record = h.order("ann", "bid 3 @ 50", client_order_id="x")
    amended = h.amend("ann", record, "bid 3 @ 50", client_order_id="x", updated_client_order_id="y")

    assert amended.client_order_id == "y"
    for used in ("x", "y"):
        assert refusal(h.order, "ann", "bid 1 @ 40", client_order_id=used)[1] == "order_already_exists"
    other = h.order("ann", "bid 1 @ 40", client_order_id="z")
    assert refusal(h.amend, "ann", other, "bid 1 @ 40", updated_client_order_id="x")[1] == "order_already_exists"


def test_an_expiry_is_kept_moved_and_removed() -> None:
    h = house()
    record = h.order("ann", "bid 1 @ 50", expires_us=START_US + 5_000_000)
    assert h.amend("ann", record, "bid 1 @ 51").expires_us == START_US + 5_000_000
    h.amend("ann", record, "bid 1 @ 51", expires_us=START_US + 9_000_000)
    h.pass_time(6)
    assert h.book()[0] == {5100: 100}
    h.amend("ann", record, "bid 1 @ 51", expires_us=0)
    h.pass_time(60)

    assert h.book()[0] == {5100: 100}


def test_decrease_keeps_the_place_and_down_to_nothing_is_a_cancel() -> None:
    h = house()
    first, second = h.order("ann", "bid 3 @ 50"), h.order("bob", "bid 1 @ 50")

    assert h.desk.decrease("ann", first.order_id, by=100).remaining == 200
    assert h.desk.decrease("ann", first.order_id, to=50).remaining == 50
    assert queue(h, first, second) == [0, 50]
    assert h.reasons("ann")[-1] == ("resting", "Decrease")
    assert h.balance("ann") == MILLION - 50 * 5000
    assert refusal(h.desk.decrease, "ann", first.order_id, to=50)[:2] == (400, "invalid_order_size")
    assert h.desk.decrease("ann", first.order_id, by=70).status is OrderStatus.CANCELED
    h.desk.check()


@pytest.mark.parametrize("more", [{}, {"by": 1, "to": 1}])
def test_decrease_wants_exactly_one_of_by_and_to(more: dict[str, int]) -> None:
    h = house()
    record = h.order("ann", "bid 3 @ 50")

    assert refusal(h.desk.decrease, "ann", record.order_id, **more)[:2] == (400, "invalid_parameters")


# -- money -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_afforded_is_refused_to_the_last_unit() -> None:
    h = House(market(fees=ORDINARY))
    h.open("ann", balance=5_175_000)

    assert refusal(h.order, "ann", "bid 10.01 @ 50")[:2] == (400, "insufficient_balance")
    assert h.order("ann", "bid 10 @ 50").status is OrderStatus.RESTING
    assert h.balance("ann") == 0
    assert refusal(h.order, "ann", "ask 0.01 @ 99")[:2] == (400, "insufficient_balance")


def test_an_amendment_must_be_affordable_too() -> None:
    h = House()
    h.open("ann", balance=5_000_000)
    record = h.order("ann", "bid 10 @ 50")

    assert refusal(h.amend, "ann", record, "bid 10 @ 51")[:2] == (400, "insufficient_balance")
    assert h.amend("ann", record, "bid 20 @ 25").remaining == 2000


def test_a_member_nobody_has_opened_has_no_money() -> None:
    assert refusal(house().order, "zoe", "bid 1 @ 50")[:2] == (400, "insufficient_balance")


# -- pauses ----------------------------------------------------------------------------------------------------------


def test_while_trading_is_paused_orders_may_only_be_withdrawn() -> None:
    h = house()
    stays, goes, falls = (h.order("ann", f"bid 2 @ {price}") for price in (50, 49, 48))
    dies = h.order("ann", "bid 1 @ 47", is_cancelled_on_pause=True)
    h.desk.pause_trading()

    assert (h.desk.is_trading_active, h.desk.is_exchange_active) == (False, True)
    assert refusal(h.order, "ann", "bid 1 @ 50")[:2] == (409, "trading_is_paused")
    assert refusal(h.amend, "ann", stays, "bid 1 @ 50")[:2] == (409, "trading_is_paused")
    assert h.desk.cancel("ann", goes.order_id)[1] == 200
    assert h.desk.decrease("ann", falls.order_id, by=100).remaining == 100
    assert refusal(h.desk.cancel, "ann", dies.order_id)[:2] == (404, "not_found")
    h.desk.resume_trading()
    assert h.order("ann", "bid 1 @ 50").status is OrderStatus.RESTING


def test_while_the_exchange_is_paused_nothing_goes() -> None:
    h = house()
    record = h.order("ann", "bid 2 @ 50")
    h.desk.pause_exchange()

    assert (h.desk.is_trading_active, h.desk.is_exchange_active) == (False, False)
    for verb in (
        lambda: h.order("ann", "bid 1 @ 50"),
        lambda: h.amend("ann", record, "bid 1 @ 50"),
        lambda: h.desk.cancel("ann", record.order_id),
        lambda: h.desk.decrease("ann", record.order_id, by=1),
        lambda: h.desk.cancel_all("ann"),
    ):
        assert refusal(verb)[:2] == (409, "exchange_is_paused")
    h.desk.resume_exchange()
    assert h.desk.cancel("ann", record.order_id)[1] == 200


def test_a_desk_behind_a_recording_takes_no_orders() -> None:
    h = House(takes_orders=False)
    h.open("ann")

    assert refusal(h.order, "ann", "bid 1 @ 50")[:2] == (409, "trading_is_paused")
    assert refusal(h.desk.cancel_all, "ann")[:2] == (409, "trading_is_paused")


def test_the_same_seed_and_verbs_make_the_same_ids() -> None:
    def ids(seed: int) -> list[str]:
        h = House(seed=seed)
        h.open("ann", "bob")
        return [
            h.order("ann", "bid 1 @ 50").order_id,
            h.order("bob", "ask 1 @ 50").order_id,
            h.floor.trades[0].trade_id,
        ]

    assert ids(1) == ids(1) != ids(2)
