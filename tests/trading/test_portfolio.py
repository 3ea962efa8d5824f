"""What the portfolio makes of answers, messages and reads, one by one; all of them together are `test_portfolio_property`."""

from dataclasses import replace

import pytest

from tests.trading.risking import make_feed
from tests.trading.telling import NOW_US, TICKER, fill, held, seconds, told
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Answer,
    Cancel,
    CancelAll,
    Create,
    Decrease,
    KeptIntent,
    Outcome,
    Rejected,
    Request,
    Unknown,
    Written,
)
from traderv3.domain.market_facts import Fill, MarketPosition, OrderGroupUpdate, UserOrder
from traderv3.domain.orders import Approved, Cancelling, Change, Changing, Draft, Order, OrderState
from traderv3.domain.positions import Settlement
from traderv3.domain.trading_report import FillLine, OrderLine
from traderv3.domain.units import DOLLAR, Money, Price, Qty
from traderv3.trading import own_orders
from traderv3.trading import portfolio as module
from traderv3.trading.portfolio import Portfolio

KEY, ID = "v-1", "venue-v-1"
DRAFT = Draft(strategy="s", ticker=TICKER, is_bid=True, price=Price(5000), count=Qty(100))
CREATE = Create(KEY, Approved(DRAFT, NOW_US))
CANCEL = Cancel(KEY, ID, TICKER)
LATER_US = NOW_US + seconds(1)


def amend(price: int, rest: int, *, filled: int = 0) -> Amend:
    change = Change(client_order_id=KEY, price=Price(price), count=Qty(rest))
    return Amend(ID, TICKER, True, Qty(filled + rest), Approved(change, NOW_US))


def accepted(filled: int | None = 0, remaining: int | None = 100, *, at_us: int = NOW_US) -> Accepted:
    return Accepted(ID, None if filled is None else Qty(filled), None if remaining is None else Qty(remaining), at_us)


class Desk:
    """A portfolio with one order, and short verbs."""

    def __init__(self) -> None:
        self.lines: list[OrderLine | FillLine] = []
        self.portfolio = Portfolio(tell=self.lines.append)
        self.portfolio.intend(DRAFT, KEY, NOW_US)

    @property
    def order(self) -> Order:
        return self.portfolio.orders[KEY]

    @property
    def numbers(self) -> tuple[str, int, int, int, int]:
        order = self.order
        return order.state.value, order.price, order.count, order.filled, order.remaining

    def answer(self, outcome: Outcome, request: Request = CREATE) -> None:
        self.portfolio.apply(Answer(request, outcome, NOW_US), NOW_US)

    def rest(self) -> None:
        self.answer(Written())
        self.answer(accepted())


# -- creates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], "intended"),
        ([Written()], "sent"),
        ([Written(is_dropped=True, why="halted")], "void"),
        ([Written(), accepted()], "resting"),
        ([Written(), accepted(40, 60)], "resting"),
        ([Written(), accepted(100, 0)], "filled"),
        ([Written(), accepted(40, 0)], "cancelled"),
        ([Written(), accepted(0, 0)], "cancelled"),
        ([Written(), accepted(None, None)], "unknown"),
        ([Written(), Rejected("insufficient_balance", "no money")], "rejected"),
        ([Written(), Rejected("order_already_exists", "used")], "unknown"),
        ([Written(), Unknown("time-out")], "unknown"),
        ([Written(), Unknown("time-out"), accepted()], "resting"),
    ],
)
def test_an_answer_to_a_create_is_all_that_is_known_of_it(outcomes: list[Outcome], state: str) -> None:
    desk = Desk()
    for outcome in outcomes:
        desk.answer(outcome)
    desk.portfolio.check()

    assert desk.order.state == state
    assert desk.order.is_open == (KEY in desk.portfolio.open)


def test_why_an_order_is_where_it_is_stands_in_its_line() -> None:
    desk = Desk()
    desk.answer(Written())
    desk.answer(Unknown("time-out"))
    assert desk.portfolio.order_lines()[0].why == "time-out"
    desk.portfolio.apply(told(KEY), NOW_US)

    assert desk.portfolio.order_lines()[0].why is None


def test_an_unknown_order_is_void_only_by_evidence_and_is_taken_up_again() -> None:
    desk = Desk()
    desk.answer(Written())
    desk.answer(Unknown("time-out"))
    desk.portfolio.absent(KEY, LATER_US)
    assert desk.numbers == ("void", 5000, 100, 0, 0)
    desk.portfolio.apply(told(KEY, filled=30), LATER_US)
    desk.portfolio.check()

    assert desk.numbers == ("resting", 5000, 100, 30, 70)


def test_an_order_that_rested_and_that_nobody_has_is_looked_for_once_more() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.absent(KEY, LATER_US)
    assert desk.numbers[0] == "unknown"
    desk.portfolio.absent(KEY, LATER_US)

    assert desk.numbers[0] == "void"


def test_an_order_of_an_earlier_run_is_unknown_until_evidence_comes() -> None:
    portfolio = Portfolio()
    kept = KeptIntent(KEY, DRAFT, NOW_US, ID)
    portfolio.apply(fill(30, order_id=ID), NOW_US)  # read before the log was
    portfolio.recall(kept, LATER_US)
    portfolio.recall(kept, LATER_US)

    assert portfolio.orders[KEY].state is OrderState.UNKNOWN
    assert (portfolio.orders[KEY].filled, portfolio.orders[KEY].remaining) == (30, 70)
    assert portfolio.of_strategy("s")[TICKER].count == 30
    portfolio.apply(told(KEY, "canceled", filled=30), LATER_US)
    portfolio.check()
    assert portfolio.orders[KEY].state is OrderState.CANCELLED


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_a_fill_counts_and_never_ends_an_order() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.apply(fill(100, client_order_id=KEY, order_id=ID), NOW_US)
    assert desk.numbers == ("resting", 5000, 100, 100, 0)
    desk.portfolio.apply(told(KEY, "executed", filled=100), NOW_US)

    assert desk.numbers == ("filled", 5000, 100, 100, 0)


@pytest.mark.parametrize("is_fill_first", [True, False])
def test_a_fill_and_its_orders_message_count_once_whichever_comes_first(is_fill_first: bool) -> None:
    desk = Desk()
    desk.rest()
    facts: list[Fill | UserOrder] = [fill(30, client_order_id=KEY, order_id=ID), told(KEY, filled=30, at_us=LATER_US)]
    for fact in facts if is_fill_first else reversed(facts):
        desk.portfolio.apply(fact, NOW_US)

    assert desk.numbers == ("resting", 5000, 100, 30, 70)


def test_an_old_word_takes_nothing_back() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.apply(told(KEY, filled=30, price=5100, at_us=LATER_US), LATER_US)
    desk.portfolio.apply(told(KEY, at_us=NOW_US), LATER_US)
    assert desk.numbers == ("resting", 5100, 100, 30, 70)
    desk.portfolio.apply(told(KEY, "canceled", filled=30, price=5100, at_us=LATER_US), LATER_US)
    desk.portfolio.apply(told(KEY, filled=10, at_us=NOW_US), LATER_US)

    assert desk.numbers == ("cancelled", 5100, 100, 30, 0)


def test_a_fill_after_a_cancel_is_real() -> None:
    desk = Desk()
    desk.rest()
    desk.answer(accepted(None, 0, at_us=LATER_US), CANCEL)
    desk.portfolio.apply(fill(40, client_order_id=KEY, order_id=ID), LATER_US)
    desk.portfolio.check()

    assert desk.numbers == ("cancelled", 5000, 100, 40, 0)
    assert desk.portfolio.position(TICKER) == 40


def test_a_fill_without_our_id_is_claimed_once_its_order_is_known() -> None:
    desk = Desk()
    desk.answer(Written())
    desk.portfolio.apply(fill(40, order_id=ID), NOW_US)
    assert (desk.portfolio.position(TICKER), desk.order.filled) == (40, 0)
    assert desk.portfolio.of_strategy("s") == {}
    desk.answer(accepted())

    assert desk.numbers == ("resting", 5000, 100, 40, 60)
    assert desk.portfolio.of_strategy("s")[TICKER].count == 40


def test_a_fill_that_is_told_twice_is_one() -> None:
    desk = Desk()
    desk.rest()
    once = fill(40, client_order_id=KEY, order_id=ID, fee=Money(7))
    assert desk.portfolio.apply(once, NOW_US)
    version, told_lines = desk.portfolio.version, len(desk.lines)

    assert not desk.portfolio.apply(replace(once, client_order_id=None, position=None), LATER_US)
    assert (desk.portfolio.version, len(desk.lines)) == (version, told_lines)
    assert desk.order.filled == 40
    assert desk.portfolio.turnover == 40 * 5000


def test_turnover_is_what_was_paid_a_no_by_its_own_price() -> None:
    portfolio = Portfolio()
    portfolio.apply(replace(fill(40), is_yes=False, yes_price=Price(500)), NOW_US)

    assert portfolio.turnover == 40 * 9500


def test_a_fill_that_is_told_again_says_nothing_of_the_position_now() -> None:
    portfolio = Portfolio()
    fills = [fill(10, position=Qty(10)), fill(10, position=Qty(20))]
    for each in fills:
        portfolio.apply(each, NOW_US)

    assert not any(portfolio.apply(each, NOW_US) for each in fills)
    assert portfolio.told_positions[TICKER] == 20


def test_a_fill_that_was_forgotten_and_is_told_again_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILLS_KEPT", 1)
    desk = Desk()
    desk.rest()
    fills = [fill(count, client_order_id=KEY, order_id=ID) for count in (10, 20)]
    for each in (*fills, *fills):
        desk.portfolio.apply(each, NOW_US)

    assert (desk.order.filled, desk.portfolio.position(TICKER)) == (30, 30)
    assert desk.portfolio.turnover == 30 * 5000
    assert sum(isinstance(line, FillLine) for line in desk.lines) == 2


# -- cancels and changes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (accepted(None, 0), "cancelled"),
        (Unknown("not_found"), "resting"),
        (Rejected("exchange_is_paused", "closed"), "resting"),
        (Written(is_dropped=True, why="full"), "resting"),
    ],
)
def test_an_answer_to_a_cancel_ends_the_order_or_the_wait(outcome: Outcome, state: str) -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.withdraw(KEY, NOW_US)
    desk.answer(Written(), CANCEL)
    assert desk.portfolio.order_lines()[0].in_flight == "cancelling"
    desk.answer(outcome, CANCEL)

    assert desk.order.state == state
    assert desk.order.in_flight is None


def test_a_cancel_of_everything_is_no_evidence_about_one() -> None:
    desk = Desk()
    desk.rest()
    desk.answer(Accepted("", None, None, NOW_US), CancelAll("halt"))

    assert desk.order.state is OrderState.RESTING


def test_an_amend_that_was_made_moves_price_and_size() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(150), NOW_US)
    assert desk.order.at_worst == (5200, 150)
    desk.answer(accepted(0, 150, at_us=LATER_US), amend(5200, 150))

    assert desk.numbers == ("resting", 5200, 150, 0, 150)
    assert desk.order.in_flight is None
    assert desk.order.at_worst == (5200, 150)


def test_an_amend_of_the_price_alone_leaves_the_size() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(100), NOW_US)
    desk.answer(accepted(None, None, at_us=LATER_US), amend(5200, 100))

    assert desk.numbers == ("resting", 5200, 100, 0, 100)


def test_a_refused_change_leaves_the_order_as_it_is() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(150), NOW_US)
    desk.answer(Rejected("insufficient_balance", "no"), amend(5200, 150))

    assert desk.numbers == ("resting", 5000, 100, 0, 100)
    assert desk.order.at_worst == (5000, 100)


def test_a_change_without_an_answer_is_reckoned_with_until_a_read_is_young_enough() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(150), NOW_US)
    desk.answer(Unknown("time-out"), amend(5200, 150))
    assert desk.order.in_flight is None
    assert desk.order.at_worst == (5200, 150)
    desk.portfolio.apply(told(KEY), NOW_US, as_of_us=LATER_US)
    assert desk.order.at_worst == (5200, 150)
    desk.portfolio.apply(told(KEY), NOW_US, as_of_us=NOW_US + seconds(5))

    assert desk.order.at_worst == (5000, 100)


def test_a_cancel_overtakes_a_change_which_may_still_be_made() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(150), NOW_US)
    desk.portfolio.withdraw(KEY, NOW_US)
    assert isinstance(desk.order.in_flight, Cancelling)
    assert desk.order.at_worst == (5200, 150)
    desk.answer(accepted(0, 150, at_us=LATER_US), amend(5200, 150))

    assert isinstance(desk.order.in_flight, Cancelling)
    assert desk.numbers == ("resting", 5200, 150, 0, 150)
    assert desk.order.doubt is None


def test_two_changes_at_once_are_a_broken_invariant() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(150), NOW_US)

    with pytest.raises(AssertionError, match="on its way already"):
        desk.portfolio.change(KEY, Price(5300), Qty(150), NOW_US)


def test_a_decrease_keeps_the_price() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5000), Qty(60), NOW_US)
    desk.answer(accepted(None, None, at_us=LATER_US), Decrease(KEY, ID, TICKER, Qty(60)))

    assert desk.numbers == ("resting", 5000, 100, 0, 60)


def test_what_is_not_answered_any_more_is_unknown() -> None:
    desk = Desk()
    desk.answer(Written())
    desk.portfolio.lose_one(KEY, "the engine did not hear", LATER_US)
    assert desk.numbers[0] == "unknown"
    desk.portfolio.apply(told(KEY), LATER_US)
    desk.portfolio.change(KEY, Price(5200), Qty(150), LATER_US)
    desk.portfolio.lose_one(KEY, "the engine did not hear", LATER_US)

    assert desk.order.state is OrderState.RESTING
    assert isinstance(desk.order.doubt, Changing)


# -- the account -------------------------------------------------------------------------------------------------------


def test_orders_that_are_not_ours_are_kept_while_they_rest() -> None:
    portfolio = Portfolio()
    portfolio.adopt_cash(Money(100_000_000))
    portfolio.apply(told("theirs", count=100, price=4000), NOW_US)
    assert [word.client_order_id for word in portfolio.foreign.values()] == ["theirs"]
    assert portfolio.held == 400_000 + 16_800
    assert portfolio.free == 100_000_000 - portfolio.held
    portfolio.apply(told("theirs", filled=10, at_us=LATER_US), NOW_US)
    portfolio.apply(told("theirs"), NOW_US)
    assert [word.filled for word in portfolio.foreign.values()] == [10]
    portfolio.apply(told("theirs", "canceled"), NOW_US)

    assert not portfolio.foreign


def test_somebody_elses_order_that_is_over_does_not_come_back_by_a_read_that_lags() -> None:
    portfolio = Portfolio()
    portfolio.apply(told("theirs"), NOW_US)
    portfolio.apply(told("theirs", "canceled", at_us=LATER_US), LATER_US)
    portfolio.apply(told("theirs"), LATER_US, as_of_us=NOW_US)

    assert not portfolio.foreign


def test_somebody_elses_order_that_a_later_read_does_not_list_is_over() -> None:
    portfolio = Portfolio()
    portfolio.apply(told("gone"), NOW_US)
    portfolio.apply(told("there"), NOW_US)
    portfolio.apply(told("young", at_us=LATER_US), LATER_US)
    portfolio.keep_foreign({"venue-there"}, NOW_US)

    assert portfolio.foreign.keys() == {"venue-there", "venue-young"}


def test_an_order_that_was_taken_for_somebody_elses_is_ours_once_its_intent_is_read() -> None:
    portfolio = Portfolio()
    portfolio.apply(told(KEY), NOW_US)
    portfolio.recall(KeptIntent(KEY, DRAFT, NOW_US, ID), LATER_US)

    assert not portfolio.foreign
    assert portfolio.by_order_id(ID) is portfolio.orders[KEY]


def test_only_what_is_known_to_rest_holds_money() -> None:
    desk = Desk()
    assert desk.portfolio.held == 0
    desk.rest()
    assert desk.portfolio.held == 100 * 5000 + 17_500
    desk.portfolio.absent(KEY, LATER_US)

    assert desk.portfolio.held == 0


def test_cash_is_not_known_before_the_venue_told_it() -> None:
    portfolio = Portfolio()
    portfolio.apply(fill(100, price=4000, fee=Money(5)), NOW_US)
    assert portfolio.cash is None
    assert portfolio.free is None
    portfolio.adopt_cash(Money(50_000_000))
    portfolio.apply(fill(100, price=6000, is_yes=False, fee=Money(5)), NOW_US)

    assert portfolio.cash == 50_000_000 + 600_000 - 5


def test_what_the_venue_says_is_held_is_taken_as_of_its_time() -> None:
    portfolio = Portfolio()
    portfolio.adopt_cash(Money(50_000_000))
    portfolio.apply(fill(10, at_us=NOW_US), NOW_US)
    portfolio.apply(fill(5, at_us=LATER_US), NOW_US)
    cash = portfolio.cash
    portfolio.adopt_position(held(100, exposure=300_000), NOW_US)

    assert portfolio.position(TICKER) == 105
    assert portfolio.positions[TICKER].cost == 300_000 + 5 * 5000
    assert portfolio.cash == cash
    assert portfolio.told_positions[TICKER] == 105


def test_a_market_that_is_not_listed_any_more_keeps_what_it_brought() -> None:
    portfolio = Portfolio()
    portfolio.adopt_cash(Money(50_000_000))
    portfolio.apply(fill(100, price=4000, fee=Money(7)), NOW_US)
    portfolio.apply(fill(40, price=6000, is_yes=False, fee=Money(3)), NOW_US)
    cash = portfolio.cash
    portfolio.adopt_nothing(TICKER, LATER_US)
    position = portfolio.positions[TICKER]

    assert (position.count, position.cost, position.realized, position.fees) == (0, 0, 80_000, 10)
    assert portfolio.cash == cash


def test_what_a_strategy_held_of_a_market_that_is_not_listed_any_more_is_gone_with_it() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.apply(fill(40, client_order_id=KEY, order_id=ID, fee=Money(9)), NOW_US)
    desk.portfolio.adopt_nothing(TICKER, LATER_US)

    share = desk.portfolio.of_strategy("s")[TICKER]
    assert (share.count, share.cost, share.fees) == (0, 0, 9)


# -- what fills before it is heard ---------------------------------------------------------------------------------------


def test_what_a_cancel_did_not_take_away_may_have_filled_until_the_venue_says() -> None:
    desk = Desk()
    desk.rest()
    desk.answer(Accepted(ID, None, Qty(0), LATER_US, Qty(70)), CANCEL)
    assert desk.numbers == ("cancelled", 5000, 100, 0, 0)
    assert (desk.order.at_worst, list(desk.portfolio.at_risk)) == ((5000, 30), [KEY])
    desk.portfolio.apply(fill(20, client_order_id=KEY, order_id=ID), NOW_US)
    assert desk.order.at_worst == (5000, 10)
    desk.portfolio.apply(told(KEY, "canceled", filled=20, at_us=LATER_US), NOW_US)

    assert not desk.portfolio.at_risk


def test_a_cancel_that_took_all_away_leaves_nothing_to_fear() -> None:
    desk = Desk()
    desk.rest()
    desk.answer(Accepted(ID, None, Qty(0), LATER_US, Qty(100)), CANCEL)

    assert not desk.portfolio.at_risk


def test_a_decrease_may_hide_a_fill_until_the_venues_next_word() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5000), Qty(60), NOW_US)
    desk.answer(accepted(None, 60, at_us=LATER_US), Decrease(KEY, ID, TICKER, Qty(60)))
    assert desk.order.at_worst == (5000, 100)
    desk.portfolio.apply(told(KEY, at_us=LATER_US), NOW_US)

    assert desk.order.unheard == 0


def test_an_amend_that_found_less_to_rest_hides_a_fill_and_its_message_is_counted_once() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5200), Qty(100), NOW_US)
    desk.answer(accepted(None, 60, at_us=LATER_US), amend(5200, 100))
    assert (desk.order.remaining, desk.order.unheard) == (60, 40)
    desk.portfolio.apply(fill(40, client_order_id=KEY, order_id=ID), NOW_US)

    assert (desk.order.remaining, desk.order.unheard, desk.order.filled) == (60, 0, 40)


def test_what_the_socket_says_of_a_position_is_shown_where_it_differs() -> None:
    portfolio, feed = Portfolio(), make_feed()
    portfolio.apply(fill(10, position=Qty(10)), NOW_US)
    assert portfolio.position_lines(feed)[0].venue_position is None
    said = MarketPosition(
        ticker=TICKER,
        position=Qty(12),
        cost=Money(0),
        realized_pnl=Money(0),
        fees_paid=Money(0),
        position_fee_cost=Money(0),
        volume=Qty(0),
        subaccount=None,
        received_us=NOW_US,
    )
    portfolio.apply(said, NOW_US)

    assert portfolio.position_lines(feed)[0].venue_position == 12
    assert portfolio.position(TICKER) == 10


def test_a_market_that_pays_moves_cash_and_shares_once() -> None:
    desk = Desk()
    desk.portfolio.adopt_cash(Money(50_000_000))
    desk.rest()
    desk.portfolio.apply(fill(100, client_order_id=KEY, order_id=ID), NOW_US)
    desk.portfolio.apply(told(KEY, "executed", filled=100), NOW_US)
    paid = Settlement(TICKER, DOLLAR, LATER_US)

    assert desk.portfolio.settle(paid)
    assert not desk.portfolio.settle(paid)
    # `held` at the time of the adoption was nothing: the order was intended, and no claim of it was known
    assert desk.portfolio.cash == 50_000_000 - 500_000 + 1_000_000
    assert desk.portfolio.of_strategy("s")[TICKER].realized == 500_000
    assert desk.portfolio.position(TICKER) == 0


def test_the_group_of_our_orders_is_nobodys_business_here() -> None:
    desk = Desk()
    update = OrderGroupUpdate(order_group_id="g", event_type="triggered", limit=None, at_us=NOW_US, received_us=NOW_US)

    assert not desk.portfolio.apply(update, NOW_US)


# -- lines, and what is kept ---------------------------------------------------------------------------------------------


def test_what_an_answer_says_has_filled_counts_until_its_fill_is_booked() -> None:
    desk, feed = Desk(), make_feed()
    desk.answer(Written())
    desk.answer(accepted(100, 0))
    assert desk.numbers[0] == "filled"
    assert not desk.portfolio.open
    assert list(desk.portfolio.at_risk) == [KEY]
    assert desk.order.at_worst == (5000, 100)
    assert desk.portfolio.totals(feed).worst_case == 100 * 5000
    desk.portfolio.apply(fill(60, client_order_id=KEY, order_id=ID, price=4000), NOW_US)
    assert desk.order.at_worst == (5000, 40)
    assert desk.portfolio.totals(feed).worst_case == 60 * 4000 + 40 * 5000
    desk.portfolio.apply(fill(40, client_order_id=KEY, order_id=ID, price=4000), NOW_US)
    desk.portfolio.check()

    assert not desk.portfolio.at_risk
    assert desk.portfolio.totals(feed).worst_case == 100 * 4000


def test_what_a_read_says_has_filled_is_in_the_position_that_was_read() -> None:
    portfolio = Portfolio()
    portfolio.recall(KeptIntent(KEY, DRAFT, NOW_US, ID), NOW_US)
    portfolio.adopt_position(held(40), LATER_US)
    portfolio.apply(told(KEY, "canceled", filled=40), LATER_US, as_of_us=LATER_US)

    assert not portfolio.at_risk
    assert portfolio.position(TICKER) == 40


def test_every_change_and_every_new_fill_is_told_in_its_step() -> None:
    desk = Desk()
    desk.rest()
    desk.portfolio.apply(fill(30, client_order_id=KEY, order_id=ID), NOW_US)
    desk.portfolio.withdraw(KEY, NOW_US)
    desk.portfolio.apply(told(KEY, "canceled", filled=30), NOW_US)
    said = [
        line.state if isinstance(line, OrderLine) else f"fill {line.count} of {line.strategy}" for line in desk.lines
    ]

    assert said == ["intended", "sent", "resting", "resting", "fill 30 of s", "resting", "cancelled"]
    assert [line.in_flight for line in desk.lines if isinstance(line, OrderLine)][-2:] == ["cancelling", None]


def test_totals_are_worth_what_the_books_pay_and_lose_by_event() -> None:
    portfolio, feed = Portfolio(), make_feed()
    portfolio.apply(fill(100, ticker="EV1-A", is_yes=False, price=4000), NOW_US)
    portfolio.apply(fill(100, ticker="EV1-B", is_yes=False, price=4000), NOW_US)
    totals = portfolio.totals(feed)

    assert totals.unrealized == 2 * (100 * 4000 - 100 * 6000)  # NO at 0.60, sold at 0.40
    assert totals.worst_case == 2 * 100 * 6000 - 100 * DOLLAR  # at most one of them ends YES
    feed.books["EV1-A"].mark_stale("gap")
    assert portfolio.totals(feed).unrealized is None
    lines = {line.ticker: line for line in portfolio.position_lines(feed)}
    assert (lines["EV1-A"].unrealized, lines["EV1-B"].unrealized) == (None, -200_000)
    assert lines["EV1-A"].average == 6000


def test_open_orders_count_in_the_worst_case_from_the_moment_they_are_intended() -> None:
    desk, feed = Desk(), make_feed()

    assert desk.portfolio.totals(feed).worst_case == 100 * 5000
    desk.rest()
    assert (desk.portfolio.totals(feed).worst_case, desk.portfolio.totals(feed).resting) == (100 * 5000, 1)


def test_orders_that_are_over_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_orders, "OVER_KEPT", 3)
    portfolio = Portfolio()
    for number in range(5):
        key = f"v-{number}"
        portfolio.intend(DRAFT, key, NOW_US)
        portfolio.apply(told(key, "canceled"), NOW_US)
    portfolio.intend(DRAFT, "v-open", NOW_US)

    assert list(portfolio.orders) == ["v-2", "v-3", "v-4", "v-open"]
    assert [line.client_order_id for line in portfolio.order_lines()] == ["v-open", "v-4", "v-3", "v-2"]
    assert portfolio.by_order_id("venue-v-0") is None


def test_an_id_is_used_once() -> None:
    desk = Desk()

    with pytest.raises(AssertionError, match="was used before"):
        desk.portfolio.intend(DRAFT, KEY, NOW_US)


def test_after_a_clock_set_back_nothing_that_is_open_happened_later() -> None:
    """Seed 302: orders that were dated in the time to come were younger than every reading, so that none was found absent."""
    desk = Desk()
    desk.rest()
    desk.portfolio.change(KEY, Price(5100), Qty(50), NOW_US)
    desk.portfolio.lose_one(KEY, "no answer", NOW_US)
    back_us = NOW_US - seconds(600)
    desk.portfolio.redate(back_us)

    assert (desk.order.created_us, desk.order.since_us) == (back_us, back_us)
    assert desk.order.doubt is not None
    assert desk.order.doubt.since_us == back_us
