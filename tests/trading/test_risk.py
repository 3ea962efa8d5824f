"""What risk lets through and what it refuses: every rule once, the scopes, and that a limit never stands in the way out."""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.risking import (
    FEES,
    MARKETS,
    NOW_US,
    draft,
    facts,
    foreign,
    holding,
    limits,
    make_feed,
    order,
)
from traderv3.domain.feed import Feed, Link
from traderv3.domain.orders import Approved, Change, Changing, OrderState, Refused
from traderv3.domain.permission import Mode
from traderv3.domain.positions import Position
from traderv3.domain.risk_limits import DEFAULT_LIMITS, SCOPES
from traderv3.domain.units import Money, Price, Qty
from traderv3.domain.worst_case import Exposure, worst_case
from traderv3.trading.day_book import ACCOUNT, DayFacts, Sent, StopLock
from traderv3.trading.risk import CHECKS, MEASURES, assess
from traderv3.trading.risk_usage import usage
from traderv3.trading.stops import mode_of, stopped_orders


def refusal(*args: Any, **kwargs: Any) -> Refused[Any]:
    verdict = assess(*args, **kwargs)
    assert isinstance(verdict, Refused), "it was approved"
    return verdict


def test_an_order_within_every_limit_is_approved_at_that_moment() -> None:
    wanted = draft()

    assert assess(wanted, facts(), DEFAULT_LIMITS) == Approved(wanted, NOW_US)


def stale_book(feed: Feed) -> None:
    feed.books["EV1-A"].mark_stale("a gap")


def syncing_book(feed: Feed) -> None:
    feed.forget("EV1-A")
    feed.watch(["EV1-A"])


def not_watched(feed: Feed) -> None:
    del feed.books["EV1-A"]


def closed(feed: Feed) -> None:
    feed.close("EV1-A", "determined")


def paused(feed: Feed) -> None:
    feed.statuses["EV1-A"] = "inactive"


def silent(feed: Feed) -> None:
    feed.lines["orderbook_connector"].heard_us = NOW_US - 15_001_000


def cut_off(feed: Feed) -> None:
    feed.lines["orderbook_connector"].link = Link.DISCONNECTED


def no_terms(feed: Feed) -> None:
    feed.events.clear()


def no_grid(feed: Feed) -> None:
    feed.listings["EV1-A"] = replace(feed.listings["EV1-A"], grid=None)


def no_orders_in_the_book(feed: Feed) -> None:
    feed.books["EV1-A"].replace([], [])


@pytest.mark.parametrize(
    ("spoil", "rule", "said"),
    [
        (stale_book, "RISK_BOOK_NOT_LIVE", "a gap"),
        (syncing_book, "RISK_BOOK_NOT_LIVE", "syncing"),
        (not_watched, "RISK_BOOK_NOT_LIVE", "not watched"),
        (closed, "RISK_MARKET_CLOSED", "determined"),
        (paused, "RISK_MARKET_CLOSED", "inactive"),
        (silent, "RISK_STALE_DATA", "15001 ms; at most 15000 ms"),
        (cut_off, "RISK_STALE_DATA", "no connection"),
        (no_terms, "RISK_TERMS_UNKNOWN", "not known yet"),
        (no_grid, "RISK_TERMS_UNKNOWN", "not known yet"),
        (no_orders_in_the_book, "RISK_PRICE_COLLAR", "empty"),
    ],
)
def test_data_that_may_not_be_believed_refuses(spoil: Callable[[Feed], None], rule: str, said: str) -> None:
    feed = make_feed()
    spoil(feed)
    refused = refusal(draft(), facts(feed), DEFAULT_LIMITS)

    assert refused.rule == rule
    assert said in refused.why


LOCK = StopLock("RISK_MAX_DAY_LOSS", ACCOUNT, "account lost 60.000000 today", NOW_US, NOW_US + 90_000_000)
SENT = [Sent(NOW_US - 1, "EV1-A", "s")] * 10


@pytest.mark.parametrize(
    ("changed", "rule", "said"),
    [
        ({"mode": Mode.HALTED}, "RISK_HALTED", "halted"),
        ({"mode": Mode.REDUCING}, "RISK_REDUCING", "close"),
        ({"clock_offset_us": None}, "RISK_CLOCK_OFFSET", "not been measured"),
        ({"clock_offset_us": -5_001_000}, "RISK_CLOCK_OFFSET", "-5001 ms off ours; at most 5000 ms"),
        ({"cross_check": 0.85}, "RISK_CROSS_CHECK", "85 %"),
        ({"day": DayFacts(locks=(LOCK,))}, "RISK_STOPPED", "locked for 90 s more"),
        ({"day": DayFacts(locks=(replace(LOCK, scope="s"),))}, "RISK_STOPPED", "RISK_MAX_DAY_LOSS"),
        ({"day": DayFacts(is_blind=True)}, "RISK_VALUE_UNKNOWN", "no loss would stop it"),
        ({"day": DayFacts(recent=SENT)}, "RISK_MAX_ORDERS_PER_S", "11 orders in a second; at most 10"),
        ({"day": DayFacts(orders=20_000)}, "RISK_MAX_DAY_ORDERS", "20001 orders today; at most 20000"),
        ({"day": DayFacts(turnover=Money(4_999_900_000))}, "RISK_MAX_DAY_TURNOVER", "4999.900000"),
    ],
)
def test_each_state_that_forbids_an_order_says_so(changed: dict[str, Any], rule: str, said: str) -> None:
    refused = refusal(draft(), facts(**changed), DEFAULT_LIMITS)

    assert refused.rule == rule
    assert said in refused.why


def test_what_does_not_concern_the_order_does_not_refuse_it() -> None:
    others = DayFacts(locks=(replace(LOCK, scope="another"),), recent=[Sent(NOW_US - 1_000_001, "EV1-A", "s")] * 10)

    assert isinstance(assess(draft(), facts(day=others, cross_check=0.9), DEFAULT_LIMITS), Approved)


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        (draft(price=0), "RISK_MALFORMED"),
        (draft(price=10_000), "RISK_MALFORMED"),
        (draft(count=0), "RISK_MALFORMED"),
        (draft(price=5050), "RISK_PRICE_GRID"),
        (draft(count=25_01), "RISK_MAX_ORDER_SIZE"),
        (draft(price=6600), "RISK_PRICE_COLLAR"),
        (draft(is_bid=False, price=3400), "RISK_PRICE_COLLAR"),
    ],
)
def test_an_order_that_nobody_can_mean_is_refused(wanted: Any, rule: str) -> None:
    assert refusal(wanted, facts(), DEFAULT_LIMITS).rule == rule


@pytest.mark.parametrize(("is_bid", "price"), [(True, 6500), (True, 100), (False, 3500), (False, 9900)])
def test_the_collar_allows_its_width_and_every_price_that_waits(is_bid: bool, price: int) -> None:
    assert isinstance(assess(draft(is_bid=is_bid, price=price), facts(), DEFAULT_LIMITS), Approved)


def test_a_book_with_one_side_is_measured_by_that_side() -> None:
    feed = make_feed()
    feed.books["EV1-A"].replace([(4000, 100)], [])

    assert isinstance(assess(draft(price=4500), facts(feed), DEFAULT_LIMITS), Approved)
    assert refusal(draft(price=4600), facts(feed), DEFAULT_LIMITS).rule == "RISK_PRICE_COLLAR"


def test_an_order_costs_its_own_side_and_the_takers_fee() -> None:
    feed = make_feed(FEES)
    tight = limits(order={"notional": 5_174_999})

    assert refusal(draft(count=1_000), facts(feed), tight).why.startswith("costs 5.175000")
    assert isinstance(assess(draft(count=1_000), facts(feed), limits(order={"notional": 5_175_000})), Approved)
    assert isinstance(assess(draft(is_bid=False, price=6500, count=1_000), facts(feed), tight), Approved)


# -- scopes --------------------------------------------------------------------------------------------------------

INSIDE = {"market": "EV1-A", "event": "EV1-B", "series": "EV2-A", "strategy": "EV3-A", "account": "EV3-A"}
OUTSIDE = {"market": "EV1-B", "event": "EV2-A", "series": "EV3-A"}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("measure", "most"), [("size", 1_100), ("notional", 5_500_000), ("worst_case", 5_500_000)])
def test_a_scope_counts_what_rests_in_all_of_its_markets(scope: str, measure: str, most: int) -> None:
    resting = [order(INSIDE[scope], count=1_000)]
    wanted = draft(count=101)
    exactly = limits(**{scope: {measure: most + 1 if measure == "size" else most + 5_000}})
    one_less = limits(**{scope: {measure: most}})

    assert isinstance(assess(wanted, facts(orders=resting), exactly), Approved)
    assert refusal(wanted, facts(orders=resting), one_less).rule == f"RISK_MAX_{scope.upper()}_{measure.upper()}"


@pytest.mark.parametrize(("scope", "ticker"), OUTSIDE.items())
def test_a_scope_does_not_count_what_is_outside(scope: str, ticker: str) -> None:
    resting = [order(ticker, count=10**6)]

    assert isinstance(assess(draft(), facts(orders=resting), limits(**{scope: {"size": 100}})), Approved)


def test_an_order_that_somebody_else_made_for_the_account_counts_for_it() -> None:
    strange = foreign("EV1-A", count=100)
    one = limits(market={"open_orders": 1})

    assert refusal(draft(), facts(foreign=[strange]), one).rule == "RISK_MAX_MARKET_OPEN_ORDERS"
    assert refusal(draft(), facts(foreign=[strange]), limits(account={"size": 199})).rule == "RISK_MAX_ACCOUNT_SIZE"
    assert isinstance(assess(draft(), facts(foreign=[strange]), limits(strategy={"size": 100})), Approved)
    shown = {line.rule: line.used for line in usage(facts(foreign=[strange]), DEFAULT_LIMITS)}
    assert (shown["RISK_MAX_ACCOUNT_SIZE"], shown["RISK_MAX_STRATEGY_SIZE"]) == (100, 0)


def test_a_strategys_limit_does_not_count_what_others_do() -> None:
    resting = [order("EV3-A", count=10**6, strategy="another")]

    assert isinstance(assess(draft(), facts(orders=resting), limits(strategy={"size": 100})), Approved)
    assert isinstance(assess(draft(), facts(orders=resting), limits(account={"size": 100})), Refused)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_bounds_open_orders_whatever_is_known_of_them(scope: str) -> None:
    resting = [order(INSIDE[scope], name=state, state=state) for state in OrderState if state in ("sent", "unknown")]
    refused = refusal(draft(), facts(orders=resting), limits(**{scope: {"open_orders": 2}}))

    assert refused.rule == f"RISK_MAX_{scope.upper()}_OPEN_ORDERS"
    assert "would come to 3 open orders; at most 2" in refused.why
    assert refused.why.startswith("the account would" if scope == "account" else f"{scope} ")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_bounds_orders_in_a_minute(scope: str) -> None:
    day = DayFacts(recent=[Sent(NOW_US - 30_000_000, INSIDE[scope], "s")] * 5)
    refused = refusal(draft(), facts(day=day), limits(**{scope: {"orders_per_minute": 5}}))

    assert refused.rule == f"RISK_MAX_{scope.upper()}_ORDERS_PER_MINUTE"


def test_of_exclusive_outcomes_one_alone_can_happen() -> None:
    """Asks in all three markets of an exclusive event: only one of them can end YES, so that they do not add up."""
    resting = [order(ticker, is_bid=False, price=6000, count=1_000, name=ticker) for ticker in ("EV1-B", "EV1-C")]
    wanted = draft(is_bid=False, price=6000, count=1_000)
    alone = limits(event={"worst_case": 4_000_000})

    assert isinstance(assess(wanted, facts(orders=resting), alone), Approved)
    assert refusal(draft("EV2-A", is_bid=False, price=6000, count=1_001), facts(orders=resting), alone).rule.startswith(
        "RISK_MAX_EVENT"
    )


def test_outcomes_that_do_not_exclude_each_other_add_up() -> None:
    resting = [order("EV2-B", is_bid=False, price=6000, count=1_000)]
    wanted = draft("EV2-A", is_bid=False, price=6000, count=1_000)

    assert isinstance(assess(wanted, facts(orders=resting), limits(event={"worst_case": 8_000_000})), Approved)
    assert isinstance(assess(wanted, facts(orders=resting), limits(event={"worst_case": 7_999_999})), Refused)


def test_the_worst_case_has_the_fees_of_every_order_on_top() -> None:
    feed = make_feed(FEES)
    resting = [order("EV1-A", count=1_000)]  # 5.00, and 0.175 at the taker's rate; the same again
    exactly = limits(market={"worst_case": 10_350_000})

    assert isinstance(assess(draft(count=1_000), facts(feed, orders=resting), exactly), Approved)
    assert isinstance(assess(draft(count=1_001), facts(feed, orders=resting), exactly), Refused)


def test_what_closes_is_what_fills_first() -> None:
    """Short of ten: of two bids of ten the dearer one closes, and the cheaper one opens for 4.00."""
    resting = [order(price=6000, count=1_000)]
    now = facts(orders=resting, positions=holding(EV1_A=(-1_000, 2_000)))

    assert isinstance(assess(draft(price=4000, count=1_000), now, limits(market={"notional": 4_000_000})), Approved)
    assert isinstance(assess(draft(price=4000, count=1_000), now, limits(market={"notional": 3_999_999})), Refused)


def test_a_strategys_orders_are_counted_without_those_of_others() -> None:
    resting = [order("EV3-A", name=str(number), strategy="another") for number in range(5)]
    day = DayFacts(recent=[Sent(NOW_US - 30_000_000, "EV3-A", "another")] * 5)
    one = limits(strategy={"open_orders": 1, "orders_per_minute": 1})

    assert isinstance(assess(draft(), facts(orders=resting, day=day), one), Approved)


# -- the way out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.REDUCING])
@pytest.mark.parametrize("is_long", [True, False])
def test_closing_is_allowed_at_every_limit_and_in_every_lock_but_a_halt(mode: Mode, is_long: bool) -> None:
    held = holding(EV1_A=(1_000 if is_long else -1_000, 9_000))
    none = {"size": 0, "notional": 0, "worst_case": 0}
    tight = limits(**dict.fromkeys(SCOPES, none), order={"notional": 0}, day={"orders": 0, "turnover": 0})
    now = facts(make_feed(FEES), mode=mode, positions=held, day=DayFacts(locks=(LOCK,), is_blind=True))

    assert isinstance(assess(draft(is_bid=not is_long, count=1_000), now, tight), Approved)
    assert isinstance(assess(draft(is_bid=not is_long, count=1_001), now, tight), Refused)
    assert isinstance(assess(draft(is_bid=is_long, count=1), now, tight), Refused)


def test_closing_counts_the_closing_orders_that_rest_already() -> None:
    now = facts(mode=Mode.REDUCING, positions=holding(EV1_A=(1_000, 5_000)), orders=[order(is_bid=False, count=600)])

    assert isinstance(assess(draft(is_bid=False, count=400), now, limits()), Approved)
    assert refusal(draft(is_bid=False, count=401), now, limits()).rule == "RISK_REDUCING"


MECHANICAL = [
    ("RISK_MAX_ORDER_SIZE", {"order": {"size": 99}}),
    ("RISK_MAX_ORDERS_PER_S", {"gate": {"orders_per_s": 1}}),
    *((f"RISK_MAX_{scope.upper()}_OPEN_ORDERS", {scope: {"open_orders": 1}}) for scope in SCOPES),
    *((f"RISK_MAX_{scope.upper()}_ORDERS_PER_MINUTE", {scope: {"orders_per_minute": 1}}) for scope in SCOPES),
]


@pytest.mark.parametrize(("rule", "bound"), MECHANICAL)
def test_what_ends_a_loop_that_has_run_away_holds_for_closing_too(rule: str, bound: dict[str, dict[str, int]]) -> None:
    day = DayFacts(recent=[Sent(NOW_US - 1, "EV1-A", "s")])
    now = facts(positions=holding(EV1_A=(1_000, 5_000)), orders=[order(is_bid=False, count=100)], day=day)
    one_more = draft(is_bid=False, count=100)

    assert isinstance(assess(one_more, now, limits()), Approved)
    assert refusal(one_more, now, limits(**bound)).rule == rule


def test_closing_one_leg_of_a_hedge_is_refused_where_it_makes_the_worst_case_worse() -> None:
    """NO of two exclusive outcomes: one of them pays for certain. Without one leg, the other may lose all."""
    hedged = holding(EV1_A=(-1_000, 6_000), EV1_B=(-1_000, 6_000))
    refused = refusal(draft(count=1_000, price=4_500), facts(positions=hedged), limits(event={"worst_case": 3_000_000}))

    assert refused.rule == "RISK_MAX_EVENT_WORST_CASE"


def test_a_stop_wants_back_what_rests_and_could_open() -> None:
    resting = [
        order(is_bid=False, price=5900, count=600, name="closes"),
        order(is_bid=False, price=6000, count=300, name="closes too"),
        order(is_bid=False, price=6100, count=500, name="half of it closes"),
        order(is_bid=True, count=1, name="opens"),
        order("EV2-A", count=1, name="opens elsewhere"),
        order("EV3-A", count=1, name="another's", strategy="another"),
    ]
    held = holding(EV1_A=(1_000, 5_000))
    own = facts(orders=resting, positions=held, day=DayFacts(locks=(replace(LOCK, scope="s"),)))
    everybody = facts(orders=resting, positions=held, day=DayFacts(locks=(LOCK,)))

    assert {one.client_order_id for one, _ in stopped_orders(own)} == {"half of it closes", "opens", "opens elsewhere"}
    assert {one.client_order_id for one, _ in stopped_orders(everybody)} == {one.client_order_id for one in resting[2:]}
    assert {why for _, why in stopped_orders(own)} == {"stop RISK_MAX_DAY_LOSS: account lost 60.000000 today"}
    assert stopped_orders(facts(orders=resting, positions=held)) == []
    exactly = replace(own, orders=[*resting[:2], order(is_bid=False, price=6100, count=100)])
    assert stopped_orders(exactly) == []


@pytest.mark.parametrize(
    ("mode", "scope", "shown"),
    [
        (Mode.ACTIVE, "s", Mode.REDUCING),
        (Mode.ACTIVE, ACCOUNT, Mode.REDUCING),
        (Mode.ACTIVE, "another", Mode.ACTIVE),
        (Mode.HALTED, "s", Mode.HALTED),
    ],
)
def test_a_strategy_under_a_stop_is_shown_that_it_may_only_close(mode: Mode, scope: str, shown: Mode) -> None:
    assert mode_of(facts(mode=mode, day=DayFacts(locks=(replace(LOCK, scope=scope),)))) is shown
    assert mode_of(facts(mode=mode)) is mode


# -- changes -------------------------------------------------------------------------------------------------------


def test_a_change_is_judged_as_the_worse_of_both_orders() -> None:
    resting = [order(price=4000, count=1_000)]
    dearer = Change(client_order_id="o", price=Price(5000), count=Qty(500))

    assert isinstance(assess(dearer, facts(orders=resting), limits(market={"notional": 5_000_000})), Approved)
    refused = refusal(dearer, facts(orders=resting), limits(market={"notional": 4_999_999}))
    assert refused.rule == "RISK_MAX_MARKET_NOTIONAL"


def test_a_change_takes_no_more_room_among_open_orders() -> None:
    change = Change(client_order_id="o", price=Price(5000), count=Qty(100))

    assert isinstance(assess(change, facts(orders=[order()]), limits(market={"open_orders": 1})), Approved)


def test_a_change_that_is_on_its_way_counts_with_the_worse_of_both() -> None:
    moving = order(price=4000, count=100, in_flight=Changing(NOW_US, Price(5000), Qty(900)))
    shrinking = order(price=5000, count=900, in_flight=Changing(NOW_US, Price(4000), Qty(100)))
    full = limits(market={"size": 1_000})
    cost = limits(market={"notional": 5_000_000})

    assert isinstance(assess(draft(count=100), facts(orders=[shrinking]), cost), Approved)
    assert isinstance(assess(draft(count=101), facts(orders=[shrinking]), cost), Refused)
    assert isinstance(assess(draft(count=100), facts(orders=[moving]), full), Approved)
    assert isinstance(assess(draft(count=101), facts(orders=[moving]), full), Refused)


def test_a_change_of_an_order_that_is_over_is_refused() -> None:
    gone = Change(client_order_id="gone", price=Price(5000), count=Qty(100))

    assert refusal(gone, facts(orders=[order()]), limits()).rule == "RISK_UNKNOWN_ORDER"


# -- properties ----------------------------------------------------------------------------------------------------

TICKERS = st.sampled_from(list(MARKETS))
PRICES = st.integers(1, 99).map(lambda cents: cents * 100)
COUNTS = st.integers(1, 2_000)
ORDERS = st.lists(st.tuples(TICKERS, st.booleans(), PRICES, COUNTS), max_size=12)
HELD = st.dictionaries(TICKERS, st.tuples(st.integers(-2_000, 2_000), PRICES), max_size=5)


def filled(positions: dict[str, Position], orders: list[tuple[str, bool, int, int]]) -> dict[str, Position]:
    after = dict(positions)
    for ticker, is_bid, price, count in orders:
        after[ticker] = after.get(ticker, Position()).after(is_bid, Price(price), Qty(count), Money(0))
    return after


@given(HELD, ORDERS, st.data())
def test_no_limit_is_passed_by_approved_orders_whichever_of_them_fill(
    held: dict[str, tuple[int, int]], wanted: list[tuple[str, bool, int, int]], data: st.DataObject
) -> None:
    """The dumbest model: approve one after the other, let any of them fill, and look at what is held then."""
    feed = make_feed()
    for book in feed.books.values():
        book.replace([(5000, 100)], [(5000, 100)])
    most = {"size": 3_000, "worst_case": 20_000_000, "notional": 20_000_000, "open_orders": 100}
    bounds = limits(market=most, event=most, gate={"collar": 10_000})
    positions = {ticker: Position(Qty(count), Money(abs(count) * price)) for ticker, (count, price) in held.items()}
    approved: list[tuple[str, bool, int, int]] = []
    for ticker, is_bid, price, count in wanted:
        resting = [
            order(t, is_bid=b, price=p, count=c, name=str(number)) for number, (t, b, p, c) in enumerate(approved)
        ]
        verdict = assess(
            draft(ticker, is_bid=is_bid, price=price, count=count),
            facts(feed, orders=resting, positions=positions),
            bounds,
        )
        if isinstance(verdict, Approved):
            approved.append((ticker, is_bid, price, count))
    fills = [one for one in approved if data.draw(st.booleans())]
    after = filled(positions, fills)

    for ticker in MARKETS:
        before = abs(positions.get(ticker, Position()).count)
        assert abs(after.get(ticker, Position()).count) <= max(3_000, before)
    lost_before = worst_case(
        [Exposure(p.count, p.cost) for t, p in positions.items() if t.startswith("EV1")], is_exclusive=True
    )
    now = [Exposure(p.count, p.cost) for t, p in after.items() if t.startswith("EV1")]
    realized = sum(p.realized for t, p in after.items() if t.startswith("EV1"))
    assert worst_case(now, is_exclusive=True) - realized <= max(20_000_000, lost_before)


@given(HELD, ORDERS)
def test_where_there_is_no_room_nothing_grows_and_what_closes_goes_through(
    held: dict[str, tuple[int, int]], wanted: list[tuple[str, bool, int, int]]
) -> None:
    positions = {ticker: Position(Qty(count), Money(abs(count) * price)) for ticker, (count, price) in held.items()}
    """But for one leg of a hedge, which only exclusive outcomes can be."""
    nothing: dict[str, dict[str, int]] = {scope: {"size": 0, "notional": 0, "worst_case": 0} for scope in SCOPES}
    nothing |= {"order": {"notional": 0}, "day": {"orders": 0, "turnover": 0}}
    feed = make_feed()
    for ticker, is_bid, price, count in wanted:
        position = positions.get(ticker, Position()).count
        closes = position <= -count if is_bid else position >= count
        bounds = limits(**nothing, gate={"collar": 10_000})
        verdict = assess(
            draft(ticker, is_bid=is_bid, price=price, count=count), facts(feed, positions=positions), bounds
        )
        after = position + (count if is_bid else -count)
        is_leg = ticker.startswith("EV1") and isinstance(verdict, Refused) and verdict.rule.endswith("_WORST_CASE")
        assert isinstance(verdict, Approved) or not closes or is_leg
        assert isinstance(verdict, Refused) or abs(after) <= abs(position)


# -- what people see -----------------------------------------------------------------------------------------------


def test_usage_shows_every_limit_once_with_its_fullest_member() -> None:
    now = facts(
        orders=[order("EV1-A", count=500), order("EV2-A", count=700, name="p")],
        positions=holding(EV1_A=(200, 4_000)),
        day=DayFacts(orders=3, recent=SENT, losses={ACCOUNT: Money(7)}),
    )
    lines = usage(now, DEFAULT_LIMITS)
    by_rule = {line.rule: line for line in lines}

    assert len(by_rule) == len(lines)
    assert {f"RISK_MAX_{scope.upper()}_{measure.upper()}" for scope in SCOPES for measure in MEASURES} <= by_rule.keys()
    assert (by_rule["RISK_MAX_MARKET_SIZE"].scope, by_rule["RISK_MAX_MARKET_SIZE"].used) in (
        ("EV1-A", 700),
        ("EV2-A", 700),
    )
    assert (by_rule["RISK_MAX_SERIES_SIZE"].scope, by_rule["RISK_MAX_SERIES_SIZE"].used) == ("S1", 1_400)
    assert (by_rule["RISK_MAX_ACCOUNT_OPEN_ORDERS"].scope, by_rule["RISK_MAX_ACCOUNT_OPEN_ORDERS"].used) == (
        "account",
        2,
    )
    assert by_rule["RISK_MAX_DAY_LOSS"].used == 7
    assert by_rule["RISK_MAX_ORDERS_PER_S"].used == 10
    assert by_rule["RISK_MAX_STRATEGY_SIZE"].scope == "s"


def test_nobody_else_makes_an_approval() -> None:
    """By type the gateway takes nothing but an `Approved`; by this, only `assess` makes one."""
    product = Path(__file__).parents[2] / "traderv3"
    makers = [
        path.relative_to(product).as_posix()
        for path in sorted(product.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and "Approved" in (getattr(node.func, "id", ""), getattr(node.func, "attr", ""))
    ]

    assert makers == ["trading/risk.py"]


def test_the_table_of_checks_names_each_rule_once() -> None:
    assert len({rule for rule, _ in CHECKS}) == len(CHECKS)
    assert all(rule.startswith("RISK_") for rule, _ in CHECKS)
