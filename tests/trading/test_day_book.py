"""The day's memory: counts, stops and their locks, over midnight, restarts, bad disks and a person's word."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from traderv3.core.lifeline import Lifeline
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.units import Money
from traderv3.trading.day_book import ACCOUNT, DAY_US, DayBook, Standing

MIDNIGHT_US = 20_780 * DAY_US
NOON_US = MIDNIGHT_US + DAY_US // 2
T = TypeVar("T")

HOUR_US = 3_600_000_000
USD = 1_000_000
LIMITS = replace(
    DEFAULT_LIMITS.day,
    loss=Money(50 * USD),
    drawdown=Money(30 * USD),
    strategy_loss=Money(20 * USD),
    strategy_drawdown=Money(10 * USD),
)


def book(path: Path | None = None, at_us: int = NOON_US) -> DayBook:
    return DayBook(path, LIMITS, wall_us=lambda: at_us, blocking=on_the_spot)


async def on_the_spot(work: Callable[[], T]) -> T:
    await trio.lowlevel.checkpoint()
    return work()


def equity(dollars: int) -> Standing:
    return Standing(Money(dollars * USD), {}, Money(0))


def pnl(dollars: int) -> Standing:
    return Standing(None, {"s": Money(dollars * USD)}, Money(0))


def rules(day: DayBook, at_us: int) -> list[str]:
    return [lock.rule for lock in day.facts(at_us).locks]


async def kept(day: DayBook) -> None:
    """One turn of the actor."""
    async with trio.open_nursery() as nursery:
        lifeline = Lifeline(stopping=trio.Event())
        lifeline.stopping.set()
        nursery.start_soon(day.run, lifeline)


def test_orders_of_a_clock_that_was_set_back_since_do_not_fill_the_last_minute() -> None:
    day = book()
    day.note_order("EV1-A", "s", NOON_US + HOUR_US)
    early = list(day.facts(NOON_US).recent)
    day.note_order("EV1-A", "s", NOON_US + 500_000)

    assert early == []
    assert [sent.at_us - NOON_US for sent in day.facts(NOON_US).recent] == [500_000]


def test_nothing_is_locked_at_a_loss_up_to_the_limit() -> None:
    day = book()
    day.look(equity(100), NOON_US)
    day.look(equity(70), NOON_US)

    assert day.facts(NOON_US).losses == day.facts(NOON_US).drawdowns == {ACCOUNT: 30 * USD}
    assert rules(day, NOON_US) == []


def test_a_drawdown_locks_the_account_for_its_time_and_counts_anew_after_it() -> None:
    day = book()
    for dollars in (100, 120, 89):
        day.look(equity(dollars), NOON_US)
    (lock,) = day.facts(NOON_US).locks

    assert (lock.rule, lock.scope, lock.until_us) == ("RISK_MAX_DRAWDOWN", ACCOUNT, NOON_US + HOUR_US)
    assert lock.reason == "account is 31.000000 below its highest point; at most 30.000000"
    assert rules(day, NOON_US + HOUR_US - 1) == ["RISK_MAX_DRAWDOWN"]
    assert rules(day, NOON_US + HOUR_US) == []
    day.look(equity(88), NOON_US + HOUR_US)
    assert rules(day, NOON_US + HOUR_US) == []
    assert day.facts(NOON_US + HOUR_US).losses[ACCOUNT] == 12 * USD


def test_a_days_loss_locks_to_midnight_and_a_late_one_for_its_time() -> None:
    early, late_us = book(), MIDNIGHT_US + DAY_US - 60_000_000
    late = book(at_us=late_us)
    for day, at_us in ((early, NOON_US), (late, late_us)):
        day.look(equity(100), at_us)
        day.look(equity(49), at_us)

    assert rules(early, MIDNIGHT_US + DAY_US - 1) == ["RISK_MAX_DAY_LOSS"]
    assert rules(early, MIDNIGHT_US + DAY_US) == []
    assert rules(late, MIDNIGHT_US + DAY_US) == ["RISK_MAX_DAY_LOSS", "RISK_MAX_DRAWDOWN"]
    assert rules(late, late_us + HOUR_US) == []


def test_what_is_lost_beyond_the_limit_under_a_lock_of_yesterday_locks_the_new_day() -> None:
    late_us = MIDNIGHT_US + DAY_US - 60_000_000
    day = book(at_us=late_us)
    for dollars in (100, 49):
        day.look(equity(dollars), late_us)
    day.look(equity(-20), MIDNIGHT_US + DAY_US + HOUR_US // 2)
    after_us = late_us + HOUR_US
    assert rules(day, after_us) == []
    day.look(equity(-20), after_us)
    (lock,) = day.facts(after_us).locks

    assert (lock.rule, lock.until_us) == ("RISK_MAX_DAY_LOSS", MIDNIGHT_US + 2 * DAY_US)


def test_a_loss_of_exactly_the_limit_is_none_too_many() -> None:
    day = DayBook(None, replace(LIMITS, drawdown=Money(99 * USD)), wall_us=lambda: NOON_US)
    day.look(equity(100), NOON_US)
    day.look(equity(50), NOON_US)

    assert rules(day, NOON_US) == []


def test_a_strategy_is_stopped_by_its_own_loss_alone() -> None:
    day = book()
    day.look(pnl(0), NOON_US)
    day.look(pnl(-21), NOON_US)

    assert rules(day, NOON_US) == ["RISK_MAX_STRATEGY_DAY_LOSS", "RISK_MAX_STRATEGY_DRAWDOWN"]
    assert {lock.scope for lock in day.facts(NOON_US).locks} == {"s"}


def test_a_value_that_cannot_be_said_neither_sets_off_a_stop_nor_lifts_one() -> None:
    day = book()
    day.look(equity(100), NOON_US)
    day.look(Standing(None, {}, Money(0)), NOON_US)

    assert rules(day, NOON_US) == []
    day.look(equity(40), NOON_US)
    day.look(Standing(None, {}, Money(0)), NOON_US)
    assert rules(day, NOON_US) == ["RISK_MAX_DAY_LOSS", "RISK_MAX_DRAWDOWN"]


def test_an_account_that_cannot_be_valued_for_long_is_traded_blind() -> None:
    day = book()
    day.look(equity(100), NOON_US)
    day.look(Standing(None, {}, Money(0)), NOON_US + 30_000_000)

    assert not day.facts(NOON_US + 30_000_000).is_blind
    assert day.facts(NOON_US + 30_000_001).is_blind
    day.look(equity(100), NOON_US + 30_000_001)
    assert not day.facts(NOON_US + 30_000_001).is_blind


def test_a_person_lifts_every_lock_and_what_was_lost_is_forgiven() -> None:
    day = book()
    day.look(equity(100), NOON_US)
    day.look(equity(40), NOON_US)
    day.lift(NOON_US)
    day.look(equity(39), NOON_US)

    assert rules(day, NOON_US) == []
    assert day.facts(NOON_US).losses[ACCOUNT] == USD


def test_orders_and_turnover_are_counted_by_day_and_the_last_minute_kept() -> None:
    day = book()
    day.look(Standing(None, {}, Money(500)), NOON_US)
    for number in range(3):
        day.note_order("KX-A", "s", NOON_US + number * 30_000_000)
    day.look(Standing(None, {}, Money(700)), NOON_US + 60_000_000)
    today = day.facts(NOON_US + 60_000_000)

    assert (today.orders, today.turnover) == (3, 200)
    assert [sent.at_us - NOON_US for sent in today.recent] == [30_000_000, 60_000_000]
    tomorrow = day.facts(MIDNIGHT_US + DAY_US)
    assert (tomorrow.orders, tomorrow.turnover, list(tomorrow.recent)) == (0, 0, [])


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sim" / "day.json"
    first = book(path)
    first.look(Standing(Money(100 * USD), {"s": Money(5 * USD)}, Money(0)), NOON_US)
    first.look(Standing(Money(60 * USD), {"s": Money(4 * USD)}, Money(7)), NOON_US)
    first.note_order("KX-A", "s", NOON_US)
    await kept(first)
    again = book(path, NOON_US + 1)

    assert again.facts(NOON_US + 1).locks == first.facts(NOON_US + 1).locks != ()
    assert (again.facts(NOON_US + 1).orders, again.facts(NOON_US + 1).turnover) == (1, 7)
    again.look(Standing(Money(55 * USD), {"s": Money(0)}, Money(0)), NOON_US + 1)  # its profit counts from 0 again
    again.look(Standing(Money(55 * USD), {"s": Money(-2 * USD)}, Money(9)), NOON_US + 1)
    today = again.facts(NOON_US + 1)
    assert today.losses == {ACCOUNT: 45 * USD, "s": 3 * USD}
    assert today.turnover == 16


async def test_a_loss_made_while_we_were_down_is_one(tmp_path: Path) -> None:
    first = book(tmp_path / "day.json")
    first.look(equity(100), NOON_US)
    await kept(first)
    again = book(tmp_path / "day.json")
    again.look(equity(45), NOON_US)

    assert rules(again, NOON_US) == ["RISK_MAX_DAY_LOSS", "RISK_MAX_DRAWDOWN"]


@given(st.binary(max_size=60))
def test_a_file_that_cannot_be_read_is_a_lock(content: bytes) -> None:
    path = Path(__file__).parent / "never-written"
    day = _reading(path, content)
    locks = day.facts(NOON_US).locks

    assert [lock.rule for lock in locks] == ["RISK_DAY_UNREADABLE"]
    day.lift(NOON_US)
    assert day.facts(NOON_US).locks == ()


def _reading(path: Path, content: bytes) -> DayBook:
    """A day book that finds this content."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: content)
        return book(path)


async def test_a_full_disk_is_told_and_tried_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    tries = 0

    async def blocking(work: Callable[[], T]) -> T:
        nonlocal tries
        tries += 1
        await trio.lowlevel.checkpoint()
        if tries < 3:
            raise OSError(28, "No space left on device")
        return work()

    day = DayBook(tmp_path / "day.json", LIMITS, wall_us=lambda: NOON_US, blocking=blocking)
    day.note_order("KX-A", "s", NOON_US)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(day.run, Lifeline())
        await trio.sleep(0.5)
        trouble = day.trouble
        await trio.sleep(3)
        nursery.cancel_scope.cancel()

    assert trouble is not None
    assert "No space left" in trouble
    assert day.trouble is None
    assert book(tmp_path / "day.json").facts(NOON_US).orders == 1


def test_a_clock_that_goes_back_turns_no_page_back() -> None:
    day = book()
    day.note_order("KX-A", "s", MIDNIGHT_US + DAY_US)
    day.note_order("KX-A", "s", NOON_US)

    assert day.facts(NOON_US).orders == 2
