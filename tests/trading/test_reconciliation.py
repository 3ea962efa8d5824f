"""The venue's account against ours: what is agreed, what is adopted, what is waited out."""

from tests.trading.telling import BALANCE, NOW_US, TICKER, fill, held, reading, seconds, told
from traderv3.domain.execution import Answer, Create, KeptIntent, Snapshot, Unknown, Written
from traderv3.domain.orders import Approved, Draft
from traderv3.domain.units import Price, Qty
from traderv3.trading.portfolio import Portfolio
from traderv3.trading.reconciliation import ABSENCE_US, LAG_US_MAX, SKEW_US, Reconciliation


class Account:
    """A portfolio and its reconciliation, one second a step."""

    def __init__(self) -> None:
        self.portfolio = Portfolio()
        self.known = Reconciliation()
        self.now_us = NOW_US

    def read(self, snapshot: Snapshot, *, late_us: int = 0) -> list[str]:
        """As the engine does it."""
        self.now_us = snapshot.as_of_us + late_us
        for each in snapshot.fills:
            if each.trade_id not in self.portfolio.fills and self.portfolio.apply(each, self.now_us, snapshot.as_of_us):
                self.known.note_fill(each)
                self.known.note_move(self.now_us)
        for order in snapshot.orders:
            if self.portfolio.apply(order, self.now_us, snapshot.as_of_us):
                self.known.note_move(self.now_us)
        absent = self.known.take(snapshot, self.portfolio, at_us=self.now_us)
        for key in absent:
            self.portfolio.absent(key, self.now_us)
        return absent

    def is_clean(self) -> bool:
        """Whether trading would be allowed."""
        return self.known.is_clean

    def state_of(self, key: str) -> str:
        """An order's state."""
        return self.portfolio.orders[key].state.value

    def send(self, key: str, at_us: int) -> None:
        """A create of which nobody knows what became."""
        draft = Draft(strategy="s", ticker=TICKER, is_bid=True, price=Price(5000), count=Qty(100))
        self.portfolio.intend(draft, key, at_us)
        create = Create(key, Approved(draft, at_us))
        for outcome in (Written(), Unknown("no answer")):
            self.portfolio.apply(Answer(create, outcome, at_us), at_us)
        self.known.note_move(at_us)


def agreed() -> Account:
    """An account that has been read twice and agrees: ten contracts, nothing rests."""
    account = Account()
    for step in range(2):
        account.read(reading(NOW_US + seconds(step), positions=[held(1000)]))
    assert account.is_clean()
    return account


def at(step: float) -> int:
    return NOW_US + seconds(10 + step)


def test_nothing_is_allowed_before_a_second_reading_agrees() -> None:
    account = Account()
    said = [(account.is_clean(), account.known.why)]
    for step in range(2):
        account.read(reading(NOW_US + seconds(step), positions=[held(1000)]))
        said.append((account.is_clean(), account.known.why))

    assert said == [
        (False, "the account was not read yet"),
        (False, "a second reading is to agree"),
        (True, "the account agrees with the venue's"),
    ]
    assert account.portfolio.position(TICKER) == 1000
    assert account.portfolio.cash == BALANCE
    assert account.known.differences == ()


def test_while_nothing_was_ever_agreed_the_venue_is_followed_without_a_difference() -> None:
    account = Account()
    for step, position in enumerate((1000, 900, 800, 800)):
        assert not account.is_clean()
        account.read(reading(NOW_US + seconds(step), positions=[held(position)]))

    assert account.is_clean()
    assert account.portfolio.position(TICKER) == 800
    assert account.known.differences == ()


def test_what_disagrees_once_is_read_again_and_stops_nothing() -> None:
    account = agreed()
    account.read(reading(at(0), positions=[held(1100)]))

    assert account.is_clean()
    assert account.known.is_in_doubt
    assert account.portfolio.position(TICKER) == 1000


def test_what_disagrees_twice_is_adopted_shown_and_stops_everything_until_it_agrees() -> None:
    account = agreed()
    for step in range(2):
        account.read(reading(at(step), positions=[held(1100, updated_us=at(-1))]))
    line = account.known.differences[0]

    assert not account.is_clean()
    assert account.portfolio.position(TICKER) == 1100
    assert (line.what, line.key, line.ours, line.venue, line.is_settled) == (
        "position",
        TICKER,
        "10.00",
        "11.00",
        False,
    )

    account.read(reading(at(2), positions=[held(1100, updated_us=at(-1))]))

    assert account.is_clean()
    assert account.known.differences[0].is_settled


def test_a_position_that_the_venue_no_longer_lists_is_none() -> None:
    account = agreed()
    for step in range(3):
        account.read(reading(at(step)))

    assert account.is_clean()
    assert account.portfolio.position(TICKER) == 0


def test_a_reading_older_than_our_fills_agrees_with_what_was_before_them() -> None:
    account = agreed()
    for number, step in enumerate((0.0, 0.1, 0.2)):
        account.read(reading(at(step - 3 + number * 0.01), positions=[held(1000)], fills=[fill(100, at_us=at(step))]))
        account.read(reading(at(step - 2.5 + number * 0.01), positions=[held(1000)]))

    assert account.is_clean()
    assert account.known.differences == ()
    assert account.portfolio.position(TICKER) == 1300


def test_a_balance_is_not_judged_while_it_may_show_our_last_move_or_not() -> None:
    account = agreed()
    bought = fill(100, at_us=at(0))
    for step in (0.2, 0.4, 0.6):
        account.read(reading(at(step), positions=[held(1000)], fills=[bought], balance=BALANCE))

    assert account.is_clean()
    assert not account.known.differences

    for step in (5, 6):
        account.read(reading(at(step), positions=[held(1100)], fills=[bought], balance=BALANCE - 100 * 5000))

    assert account.is_clean()
    assert account.portfolio.cash == BALANCE - 100 * 5000


def test_a_doubt_ends_only_with_a_reading_that_compared_the_balance_too() -> None:
    account = agreed()
    account.known.doubt("a test")
    account.known.note_move(at(0))
    account.read(reading(at(1), positions=[held(1000)]))
    early = account.is_clean()
    account.read(reading(at(2), positions=[held(1000)]))

    assert not early
    assert account.is_clean()


def test_a_suspicion_of_the_balance_outlasts_readings_that_cannot_compare_it() -> None:
    account = agreed()
    for step, is_still in ((0, True), (2, False), (4, False), (8, True), (10, True)):
        if not is_still:
            account.known.note_move(at(step))
        account.read(reading(at(step), positions=[held(1000)], balance=BALANCE + 7))

    assert account.is_clean()
    assert account.portfolio.cash == BALANCE + 7


def test_trading_that_never_rests_is_made_to_for_the_balance() -> None:
    account = agreed()
    for step in range(0, 310, 10):
        account.known.note_move(at(step))
        account.read(reading(at(step), positions=[held(1000)]))

    assert not account.is_clean()
    assert "rests for a moment" in account.known.why


def test_money_from_nowhere_is_a_difference_of_the_balance() -> None:
    account = agreed()
    for step in range(3):
        account.read(reading(at(step), positions=[held(1000)], balance=BALANCE + 7))

    assert account.is_clean()
    assert account.portfolio.cash == BALANCE + 7
    assert [(line.what, line.ours, line.venue) for line in account.known.differences] == [
        ("balance", "100.000000", "100.000007")
    ]


def test_what_resting_orders_claim_is_no_difference() -> None:
    account = agreed()
    account.send("o-1", at(0))
    claimed = 100 * 5000 + 1234
    for step in (5, 6, 7):
        account.read(
            reading(at(step), positions=[held(1000)], orders=[told("o-1", at_us=at(0))], balance=BALANCE - claimed)
        )

    assert account.state_of("o-1") == "resting"
    assert account.is_clean()
    assert account.known.differences == ()


def test_absence_is_believed_only_of_a_reading_young_enough() -> None:
    account = agreed()
    account.send("o-1", at(0))

    assert account.read(reading(at(0) + ABSENCE_US, positions=[held(1000)])) == []
    assert account.state_of("o-1") == "unknown"
    assert account.read(reading(at(0) + ABSENCE_US + 1, positions=[held(1000)])) == ["o-1"]
    assert account.state_of("o-1") == "void"


def test_the_venues_clock_is_taken_off() -> None:
    account = agreed()
    account.send("o-1", at(0))
    early = reading(at(0) + ABSENCE_US + 1, positions=[held(1000)])

    assert account.known.take(early, account.portfolio, at_us=at(5), offset_us=seconds(5)) == []


def test_an_order_of_an_earlier_run_keeps_trading_waiting_until_it_is_known() -> None:
    account = Account()
    draft = Draft(strategy="s", ticker=TICKER, is_bid=True, price=Price(5000), count=Qty(100))
    account.portfolio.recall(KeptIntent("o-1", draft, NOW_US, None), NOW_US)
    for step in (1, 2):
        account.read(reading(NOW_US + seconds(step)))

    assert not account.is_clean()
    assert "looked for" in account.known.why

    account.read(reading(NOW_US + ABSENCE_US + 1))

    assert account.state_of("o-1") == "void"
    assert account.is_clean()


def test_an_order_that_rests_by_our_books_alone_is_a_difference() -> None:
    account = agreed()
    account.send("o-1", at(0))
    account.read(reading(at(1), positions=[held(1000)], orders=[told("o-1", at_us=at(0))]))
    for step in (6, 7):
        account.read(reading(at(step), positions=[held(1000)]))

    assert not account.is_clean()
    assert [(line.what, line.key) for line in account.known.differences] == [("order", "o-1")]
    assert account.state_of("o-1") == "unknown"

    for step in (12, 13):
        account.read(reading(at(step), positions=[held(1000)]))

    assert account.state_of("o-1") == "void"
    assert account.is_clean()


def test_a_replica_that_goes_back_in_time_tells_nothing() -> None:
    account = agreed()
    account.read(reading(at(0), positions=[held(1000)]))
    account.read(reading(at(-5), positions=[held(700)]))
    account.read(reading(at(-4), positions=[held(700)]))

    assert account.is_clean()
    assert account.portfolio.position(TICKER) == 1000


def test_a_replica_far_behind_proves_nothing() -> None:
    account = agreed()
    account.read(reading(at(0), positions=[held(1000)]), late_us=LAG_US_MAX + seconds(1))

    assert not account.is_clean()
    assert "behind" in account.known.why


def test_doubt_lasts_until_a_reading_agrees() -> None:
    account = agreed()
    account.known.doubt("the socket was lost")
    account.read(reading(at(0), positions=[held(1000)]))

    assert account.is_clean()


def test_a_reading_older_than_what_was_missed_ends_no_doubt() -> None:
    account = agreed()
    account.known.doubt("the socket was lost", missed_us=at(10))
    said = []
    for step in (2, 10, 10 + SKEW_US / 1e6):
        account.read(reading(at(step), positions=[held(1000)]), late_us=seconds(12 - step))
        said.append((account.is_clean(), account.known.why))
    account.read(reading(at(12), positions=[held(1000)]))

    assert said == [(False, "the venue's reads are older than what was missed")] * 3
    assert account.is_clean()


def test_a_clock_set_back_after_something_was_missed_does_not_keep_the_doubt_for_as_long() -> None:
    account = agreed()
    account.known.note_move(at(3600))
    account.known.doubt("the socket was lost", missed_us=at(3600))
    for step in (0, 2):
        account.read(reading(at(step), positions=[held(1000)]))

    assert account.is_clean()


def test_an_order_whose_answer_is_still_to_come_is_never_absent() -> None:
    account = agreed()
    draft = Draft(strategy="s", ticker=TICKER, is_bid=True, price=Price(5000), count=Qty(100))
    account.portfolio.intend(draft, "o-1", at(0))
    account.portfolio.apply(Answer(Create("o-1", Approved(draft, at(0))), Written(), at(0)), at(0))

    assert account.read(reading(at(3600), positions=[held(1000)])) == []
    assert account.state_of("o-1") == "sent"


def test_money_is_adopted_without_what_an_order_held_that_is_gone() -> None:
    account = agreed()
    account.send("o-1", at(0))
    account.read(reading(at(1), positions=[held(1000)], orders=[told("o-1", at_us=at(0))]))
    said = []
    for step in (3, 4, 6, 7, 12, 13, 14):  # it is gone, and nobody said so
        account.read(reading(at(step), positions=[held(1000)], balance=BALANCE + 7))
        said.append(account.portfolio.cash)

    assert account.is_clean()
    assert said == [BALANCE] * 5 + [BALANCE + 7] * 2


def test_the_first_money_is_adopted_after_the_orders_that_hold_some_of_it() -> None:
    account = Account()
    account.send("o-1", NOW_US)
    account.portfolio.apply(told("o-1"), NOW_US)
    for step in range(10, 18, 2):
        account.read(reading(NOW_US + seconds(step)))

    assert account.is_clean()
    assert account.portfolio.cash == BALANCE


def test_differences_are_bounded() -> None:
    account = agreed()
    many = [held(100, ticker=f"KX{number:03}", updated_us=at(-1)) for number in range(250)]
    for step in range(2):
        account.read(reading(at(step), positions=[held(1000), *many]))

    assert not account.is_clean()
    assert len(account.known.differences) == 200
