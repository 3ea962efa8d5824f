"""Whatever members, participants and the operator do, in any order: no money is lost, no book crossed, nothing untold."""

import random
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.exchange.house import ORDINARY, OTHER, SECOND_US, TICKER, House, market
from traderv3.domain.fees import FeeSchedule, Rounding
from traderv3.domain.matching import SelfTrade
from traderv3.domain.orders import TimeInForce
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.operations import Rules
from traderv3.exchange.records import (
    Amendment,
    BalanceChanged,
    Filled,
    GroupChanged,
    GroupTouched,
    NewOrder,
    OrderChanged,
    OrderRecord,
    OrderStatus,
    PositionChanged,
    Rejected,
    Settled,
)

USERS = ("ann", "bob", "cid")
EVENT = "KXDEMO-99"
TIMES = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
# How often each is done.
VERBS = {
    "trade": 30,
    "participate": 15,
    "change": 20,
    "leave": 5,
    "regroup": 8,
    "wait": 8,
    "operate": 10,
    "end": 2,
}
RECENT = 30  # orders that are meddled with


class DeskMachine(RuleBasedStateMachine):
    """Random verbs against the desk; after each one everything that can be counted twice is.

    Hypothesis chooses how many steps and a seed for each; what a step does is drawn from its seed, so that every step
    does much and a failure still shrinks to the few that matter.
    """

    @initialize(quantum=st.sampled_from([1, 100]), grid=st.sampled_from([100, 10_000]), is_poor=st.booleans())
    def open_house(self, quantum: int, grid: int, is_poor: bool) -> None:
        self.house = House(
            market(TICKER, fees=ORDINARY, settlement_timer_s=5),
            market(OTHER, fees=ORDINARY, settlement_timer_s=5),
            rules=Rules(rounding=Rounding(quantum=quantum, grid=grid)),
        )
        for user_id in USERS:
            self.house.open(user_id, balance=4_000_000 if is_poor else 1_000_000_000)
        self.desk = self.house.desk
        self.deposits = self.desk.pit.ledger.deposits
        self.tickers = [TICKER, OTHER]
        self.orders: list[OrderRecord] = []
        self.groups: dict[str, list[str]] = {user_id: [] for user_id in USERS}
        self.ids = 0
        # What a replica knows that hears only what is told.
        self.heard = self.changes_heard = 0
        self.known: dict[str, OrderRecord] = {}
        self.balances: dict[str, int] = {}
        self.positions: dict[tuple[str, str], int] = {}
        self.told_positions: dict[tuple[str, str], int] = {}
        self.grouped: dict[str, tuple[str, ...]] = {}
        self.books: dict[str, dict[tuple[bool, int], int]] = defaultdict(dict)

    @rule(seed=st.integers(0, 2**32))
    def act(self, seed: int) -> None:
        rng = random.Random(seed)
        (verb,) = rng.choices(list(VERBS), list(VERBS.values()))
        getattr(self, verb)(rng)

    # -- what is done ------------------------------------------------------------------------------------------------

    def trade(self, rng: random.Random) -> None:
        """Some orders of members."""
        for _ in range(rng.randint(1, 6)):
            self.ids += 1
            user_id, tif = rng.choice(USERS), rng.choice(TIMES)
            is_resting_kind = tif is TimeInForce.GTC
            order = NewOrder(
                ticker=rng.choice(self.tickers),
                is_bid=rng.random() < 0.5,
                price=price(rng),
                count=count(rng),
                time_in_force=tif,
                self_trade=rng.choice(list(SelfTrade)),
                client_order_id=f"{self.ids}",
                is_post_only=is_resting_kind and rng.random() < 0.2,
                is_reduce_only=not is_resting_kind and rng.random() < 0.3,
                is_cancelled_on_pause=rng.random() < 0.2,
                expires_us=self.house.at_us + 3 * SECOND_US if is_resting_kind and rng.random() < 0.2 else None,
                group_id=rng.choice([None, *self.groups[user_id]]),
            )
            record = self.tried(self.desk.create, user_id, order)
            if record is not None:
                self.orders = [*self.orders[-RECENT:], record]

    def participate(self, rng: random.Random) -> None:
        """Some orders of the anonymous."""
        for _ in range(rng.randint(1, 4)):
            listing = self.house.floor.listings[rng.choice(self.tickers)]
            if self.desk.is_open(listing):
                self.desk.pit.submit_anonymous(
                    listing,
                    rng.randint(0, 3),
                    rng.random() < 0.5,
                    price(rng),
                    count(rng),
                    at_us=self.house.at_us,
                    rng=rng,
                    time_in_force=rng.choice(TIMES[:4]),
                )

    def leave(self, rng: random.Random) -> None:
        """An order of the anonymous goes, or a part of it."""
        ticker = rng.choice(self.tickers)
        orders = list(self.desk.engine(ticker).orders.values())
        if orders:
            by = rng.choice([None, rng.randint(1, 50)])
            listing = self.house.floor.listings[ticker]
            self.desk.pit.cancel_anonymous(listing, [rng.choice(orders)], by, at_us=self.house.at_us)

    def change(self, rng: random.Random) -> None:
        """An order, dead or alive, is amended, decreased or cancelled."""
        if not self.orders:
            return
        record = rng.choice(self.orders)
        verb = rng.choice(["amend", "amend", "decrease", "cancel", "cancel_all"])
        if verb == "amend":
            self.ids += 1
            amendment = Amendment(
                ticker=record.ticker,
                is_bid=record.is_bid,
                price=rng.choice([record.price, price(rng)]),
                count=count(rng),
                updated_client_order_id=rng.choice([None, f"{self.ids}"]),
                expires_us=rng.choice([None, 0, self.house.at_us + SECOND_US]),
            )
            self.tried(self.desk.amend, record.user_id, record.order_id, amendment)
        elif verb == "decrease":
            self.tried(self.desk.decrease, record.user_id, record.order_id, by=count(rng))
        elif verb == "cancel":
            self.tried(self.desk.cancel, record.user_id, record.order_id)
        else:
            self.tried(self.desk.cancel_all, record.user_id)

    def regroup(self, rng: random.Random) -> None:
        """A group comes, goes, or changes."""
        user_id = rng.choice(USERS)
        if not self.groups[user_id]:
            self.groups[user_id].append(self.desk.create_group(user_id, rng.randint(100, 900)).group_id)
            return
        group_id = rng.choice(self.groups[user_id])
        verb = rng.choice(["reset_group", "reset_group", "trigger_group", "delete_group", "set_group_limit"])
        if verb == "set_group_limit":
            self.desk.set_group_limit(user_id, group_id, rng.randint(100, 900))
        else:
            getattr(self.desk, verb)(user_id, group_id)
        if verb == "delete_group":
            self.groups[user_id].remove(group_id)

    def wait(self, rng: random.Random) -> None:
        """Time passes."""
        self.house.pass_time(rng.choice([0.5, 2, 5, 16]))

    def operate(self, rng: random.Random) -> None:
        """The operator pauses, halts, closes, re-opens, changes fees."""
        ticker = rng.choice(self.tickers)
        verb = rng.choice(["pause_trading", "pause_exchange", "fees", "fees", "close", "halt", "halt", "settle"])
        if verb.startswith("pause"):
            getattr(self.desk, verb)()
            self.check_everything()
            self.desk.resume_exchange()
            self.desk.resume_trading()
        elif verb == "fees":
            schedule = FeeSchedule("flat", Fraction(rng.randint(1, 120), 10))
            self.desk.override_fees(EVENT, rng.choice([None, schedule]))
        elif verb == "close":
            self.tried(self.desk.move_close, ticker, self.house.at_us + rng.randint(0, 20) * SECOND_US)
        elif verb == "halt":
            is_halted = self.house.floor.listings[ticker].status is MarketStatus.INACTIVE
            self.tried(self.desk.activate if is_halted else self.desk.deactivate, ticker)
        else:
            self.tried(self.desk.settle, ticker)

    def end(self, rng: random.Random) -> None:
        """A market ends, and another takes its place."""
        which = rng.randrange(len(self.tickers))
        self.desk.determine(self.tickers[which], rng.choice(["yes", "no", "scalar"]), rng.randint(0, 10_000))
        self.ids += 1
        self.tickers[which] = f"{EVENT}-{self.ids}"
        self.desk.create_market(market(self.tickers[which], fees=ORDINARY, settlement_timer_s=5))

    def tried(self, verb: Any, *args: Any, **more: Any) -> Any:
        """What a verb returns, None if it was refused; then it told nothing."""
        told = len(self.house.floor.story)
        try:
            return verb(*args, **more)
        except Rejected:
            assert len(self.house.floor.story) == told
            return None

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def check_everything(self) -> None:
        if not hasattr(self, "house"):
            return
        desk, floor = self.desk, self.house.floor
        desk.check()
        self.hear()
        ledger = desk.pit.ledger
        assert ledger.deposits == self.deposits
        for user_id in USERS:
            account = ledger.account(user_id, 0)
            assert self.balances[user_id] == account.free
            assert account.cash % desk.rules.rounding.grid == 0
            for ticker in floor.listings:
                held = account.count_of(ticker)
                assert self.positions.get((user_id, ticker), 0) == held
                assert self.told_positions.get((user_id, ticker), 0) == held
        live = {order_id: order.record for order_id, order in desk.pit.live.items()}
        assert {key: record for key, record in self.known.items() if record.status is OrderStatus.RESTING} == live
        for ticker, listing in floor.listings.items():
            heard = {key: size for key, size in self.books[ticker].items() if size}
            engine = desk.engine(ticker)
            assert heard == {(side, p): size for side in (True, False) for p, size in engine.public_levels(side)}
            if listing.status in (MarketStatus.DETERMINED, MarketStatus.FINALIZED):
                assert not engine.orders
        for group_id, order_ids in self.grouped.items():
            resting = {order_id for order_id, record in live.items() if record.group_id == group_id}
            assert set(order_ids) == resting

    def hear(self) -> None:
        """Take in what was told since, as a replica would."""
        floor = self.house.floor
        for fact in floor.facts[self.heard :]:
            match fact:
                case OrderChanged(order, _):
                    assert order.filled + order.remaining <= order.initial_count
                    self.known[order.order_id] = order
                case Filled(fill):
                    key = (fill.user_id, fill.ticker)
                    self.positions[key] = self.positions.get(key, 0) + (fill.count if fill.is_bid else -fill.count)
                    assert fill.position == self.positions[key]
                case PositionChanged(position):
                    self.told_positions[position.user_id, position.ticker] = position.position
                case Settled(settlement):
                    self.positions[settlement.user_id, settlement.ticker] = 0
                case BalanceChanged(balance):
                    self.balances[balance.user_id] = balance.balance
                case GroupChanged(group, _) | GroupTouched(group):
                    self.grouped[group.group_id] = group.order_ids
        self.heard = len(floor.facts)
        for ticker, is_yes, level, change, _ in floor.changes[self.changes_heard :]:
            book = self.books[ticker]
            book[is_yes, level] = book.get((is_yes, level), 0) + change
        self.changes_heard = len(floor.changes)


def price(rng: random.Random) -> int:
    return rng.randint(47, 53) * 100


def count(rng: random.Random) -> int:
    return rng.choice([rng.randint(1, 500), 100 * rng.randint(1, 5)])


def test_nothing_is_lost_whatever_is_done() -> None:
    run_state_machine_as_test(DeskMachine, settings=settings(max_examples=60, stateful_step_count=50, deadline=None))


@pytest.mark.soak
def test_nothing_is_lost_whatever_is_done_for_long() -> None:
    for_long = settings(
        max_examples=3_000,
        stateful_step_count=100,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(DeskMachine, settings=for_long)
