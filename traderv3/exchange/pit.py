"""Where orders meet: the engine of every market, the members' live orders, and what each trade does to their money.

One call is one action of the book. It is told in this order: the changes of the book (one clock), each trade with the
fills of its sides, the orders that changed, then positions, balances and groups; then whatever the action sets off
(a group's limit, a margin that rounding broke). Owners below `MEMBERS_FROM` are anonymous: play money, no records.
Units: prices 1e-4 dollar on the YES scale, sizes 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Never: a decision about who may trade or afford what; that is taken before, by the desk.
"""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from traderv3.domain.fees import Rounding
from traderv3.domain.matching import Change, Match, MatchingEngine, Order, Outcome, Verdict
from traderv3.domain.orders import TimeInForce
from traderv3.domain.timestamps import rfc3339
from traderv3.exchange.accounts import Account, Ledger, position_record
from traderv3.exchange.floor import Floor
from traderv3.exchange.listing import Listing, PublicTrade
from traderv3.exchange.live_orders import Action, LiveOrder, new_id
from traderv3.exchange.order_groups import Group, OrderGroups
from traderv3.exchange.records import (
    BalanceChanged,
    BalanceRecord,
    Cause,
    Filled,
    FillRecord,
    GroupChanged,
    GroupEvent,
    GroupTouched,
    OrderChanged,
    OrderRecord,
    OrderStatus,
    PositionChanged,
)
from traderv3.exchange.tariff import Tariff

MEMBERS_FROM: Final = 1_000  # engine owners; below are the anonymous


class Pit:
    """The one writer of engines, live orders and the ledger."""

    def __init__(self, floor: Floor, rng: random.Random, rounding: Rounding) -> None:
        self.floor = floor
        self.engines = {ticker: MatchingEngine() for ticker in floor.listings}
        self.tariff = Tariff(floor.listings)
        self.ledger = Ledger(rounding, fee_rate_of=self.tariff.reserved_rate)
        self.groups = OrderGroups()
        self.live: dict[str, LiveOrder] = {}
        self._by_engine: dict[str, dict[int, LiveOrder]] = {ticker: {} for ticker in floor.listings}
        self._owners: dict[str, int] = {}
        self._rng = rng

    def open_market(self, listing: Listing) -> None:
        """An empty book for a market that was not there at the beginning."""
        self.engines[listing.ticker] = MatchingEngine()
        self._by_engine[listing.ticker] = {}

    # -- the anonymous ---------------------------------------------------------------------------------------------

    def submit_anonymous(
        self,
        listing: Listing,
        owner: int,
        is_bid: bool,
        price: int,
        size: int,
        *,
        at_us: int,
        rng: random.Random,
        time_in_force: TimeInForce = TimeInForce.GTC,
        is_post_only: bool = False,
    ) -> Outcome:
        """One order of a participant; `rng` names its trades."""
        assert owner < MEMBERS_FROM
        outcome = self.engines[listing.ticker].submit(
            owner, is_bid, price, size, time_in_force=time_in_force, is_post_only=is_post_only
        )
        self._tell_changes(listing, outcome.changes, None, at_us)
        if outcome.matches:
            action = Action(at_us)
            self._trade(action, listing, outcome.matches, None, rng)
            self._finish(action)
        return outcome

    def cancel_anonymous(self, listing: Listing, orders: Iterable[Order], by: int | None = None, *, at_us: int) -> None:
        """Take orders of participants, or `by` of each one's size, out of the book; those of members stay."""
        engine = self.engines[listing.ticker]
        changes = [engine.cancel(order.order_id, by) for order in orders if order.owner < MEMBERS_FROM]
        self._tell_changes(listing, [change for change in changes if change], None, at_us)

    # -- members' orders -------------------------------------------------------------------------------------------

    def submit(
        self, live: LiveOrder, at_us: int, *, taken_out: Change | None = None, reason: str | None = None
    ) -> Verdict:
        """Match what remains of an order; what an IOC or FOK leaves, or meets of its own, is cancelled.

        Unless the verdict is ACCEPTED nothing has happened. `taken_out` is the order's own earlier place in the book,
        told as part of the same action; `reason` what the owner hears if nothing stronger happened.
        """
        listing, record = live.listing, live.record
        outcome = self.engines[record.ticker].submit(
            self._owner(record.user_id),
            record.is_bid,
            record.price,
            record.remaining,
            time_in_force=record.time_in_force,
            is_post_only=record.is_post_only,
            self_trade=record.self_trade,
        )
        if outcome.verdict is not Verdict.ACCEPTED:
            return outcome.verdict
        action = Action(at_us)
        changes = outcome.changes if taken_out is None else [taken_out, *outcome.changes]
        self._tell_changes(listing, changes, live.cause, at_us)
        self._trade(action, listing, outcome.matches, live, self._rng)
        for order in outcome.self_cancelled:
            self._lapse(action, self._by_engine[record.ticker][order.order_id], "SelfTradeCancel")
        if outcome.matches:
            reason = "Trade"
        if outcome.resting is not None:
            self._rest(live, outcome.resting)
            self._touch(action, live)
            self.floor.tell(OrderChanged(live.record, reason))
        else:
            self._lapse(action, live, "SelfTradeCancel" if outcome.has_met_self else reason)
        self._finish(action)
        return Verdict.ACCEPTED

    def resubmit(self, live: LiveOrder, at_us: int) -> None:
        """Put an order whose record was amended at the back of its new queue; it may trade, or be cancelled for it."""
        taken_out = self._take_out(live)
        if self.submit(live, at_us, taken_out=taken_out, reason="Amend") is Verdict.ACCEPTED:
            return
        action = Action(at_us)
        self._tell_changes(live.listing, [taken_out], live.cause, at_us)
        self._lapse(action, live, "PostOnlyCrossCancel")
        self._finish(action)

    def reduce(self, live: LiveOrder, amended: OrderRecord, reason: str, at_us: int) -> None:
        """Give an order its new record, which wants as much or less, in its old place."""
        by = live.record.remaining - amended.remaining
        assert amended.remaining > 0
        assert by >= 0
        if by:
            change = self.engines[amended.ticker].cancel(live.engine_id, by)
            assert change is not None
            self._tell_changes(live.listing, [change], live.cause, at_us)
        live.record = amended
        self.ledger.account(amended.user_id, amended.subaccount).claim(amended.ticker, amended.order_id, live.claim)
        action = Action(at_us)
        self._touch(action, live)
        self.floor.tell(OrderChanged(amended, reason))
        self._finish(action)

    def withdraw(self, live: LiveOrder, reason: str | None, at_us: int, *, is_owners: bool = False) -> None:
        """Cancel an order; `is_owners`: by its owner's own request."""
        taken_out = self._take_out(live)
        self._tell_changes(live.listing, [taken_out], live.cause if is_owners else None, at_us)
        action = Action(at_us)
        self._lapse(action, live, reason)
        self._finish(action)

    def clear(self, listing: Listing, reason: str, at_us: int) -> None:
        """Cancel everything that rests in a market, the participants' orders too."""
        engine = self.engines[listing.ticker]
        changes = [engine.cancel(order_id) for order_id in list(engine.orders)]
        self._tell_changes(listing, [change for change in changes if change], None, at_us)
        action = Action(at_us)
        for live in list(self._by_engine[listing.ticker].values()):
            self._lapse(action, live, reason)
        self._finish(action)

    def trigger(self, group: Group, at_us: int) -> None:
        """A group takes no orders from now on, and what rests of it is cancelled."""
        group.trigger()
        self.floor.tell(GroupChanged(group.record(at_us), GroupEvent.TRIGGERED))
        self.empty(group, at_us)

    def empty(self, group: Group, at_us: int) -> None:
        """Cancel what rests of a group. The venue has no reason for it in `last_update_reason`."""
        while group.order_ids:
            self.withdraw(self.live[next(iter(group.order_ids))], None, at_us)

    def rehold(self, at_us: int) -> None:
        """Hold what the orders need now, after the fees changed."""
        action = Action(at_us)
        for account in self.ledger.accounts.values():
            for ticker in {ticker for ticker, *_ in account.claims()}:
                account.rehold(ticker)
                action.accounts[account] = {}
        self._finish(action)

    def queue_positions(self, user_id: str, ticker: str) -> dict[str, int]:
        """How much stands before each of a member's orders in a market."""
        by_engine, owner = self._by_engine[ticker], self._owners.get(user_id)
        queue = self.engines[ticker].queue()
        return {by_engine[order.order_id].record.order_id: ahead for order, ahead in queue if order.owner == owner}

    def balance_record(self, account: Account, at_us: int) -> BalanceRecord:
        """An account's free money and what its positions are worth at the last prices."""
        listings = self.floor.listings
        return BalanceRecord(
            user_id=account.user_id,
            subaccount=account.subaccount,
            balance=account.free,
            portfolio_value=sum(
                position.value_at(listings[ticker].last_price) for ticker, position in account.positions.items()
            ),
            at_us=at_us,
        )

    def check(self) -> None:
        """Assert that engines, live orders, claims and groups agree, and that the ledger is whole."""
        self.ledger.check()
        claims = {
            (account.user_id, account.subaccount, ticker, order_id): claim
            for account in self.ledger.accounts.values()
            for ticker, order_id, claim in account.claims()
        }
        for ticker, engine in self.engines.items():
            engine.check()
            members = {order_id for order_id, order in engine.orders.items() if order.owner >= MEMBERS_FROM}
            assert members == self._by_engine[ticker].keys()
        for live in self.live.values():
            record = live.record
            order = self.engines[record.ticker].orders[live.engine_id]
            assert record.status is OrderStatus.RESTING
            assert (order.is_bid, order.price, order.size) == (record.is_bid, record.price, record.remaining)
            assert order.owner == self._owners[record.user_id]
            assert record.filled + record.remaining <= record.initial_count
            assert self._by_engine[record.ticker][live.engine_id] is live
            assert claims.pop((record.user_id, record.subaccount, record.ticker, record.order_id)) == live.claim
            group = self.groups.group_of(record.user_id, record.group_id)
            assert group is None or record.order_id in group.order_ids
        assert not claims
        assert len(self.live) == sum(len(orders) for orders in self._by_engine.values())
        for account in self.ledger.accounts.values():
            assert account.free >= 0 or not account.held, "orders rest on money that is not there"

    # -- parts -----------------------------------------------------------------------------------------------------

    def _owner(self, user_id: str) -> int:
        """Self-trades are those of one member, whatever the subaccounts."""
        return self._owners.setdefault(user_id, MEMBERS_FROM + len(self._owners))

    def _tell_changes(self, listing: Listing, changes: list[Change], cause: Cause | None, at_us: int) -> None:
        """One action's changes share clock and time."""
        if not changes:
            return
        listing.tick()
        ts, ts_ms = rfc3339(at_us), at_us // 1000
        floor, by_engine = self.floor, self._by_engine[listing.ticker]
        for is_yes, price, change, taken in changes:
            maker = None if taken is None or taken.owner < MEMBERS_FROM else by_engine[taken.order_id].cause
            floor.change(listing, is_yes, price, change, ts=ts, ts_ms=ts_ms, cause=cause, maker=maker)
        floor.touch_ticker(listing)

    def _trade(
        self, action: Action, listing: Listing, matches: list[Match], taker: LiveOrder | None, rng: random.Random
    ) -> None:
        by_engine = self._by_engine[listing.ticker]
        for price, size, maker_order, is_taker_bid in matches:
            trade_id = new_id(rng)
            maker = by_engine[maker_order.order_id] if maker_order.owner >= MEMBERS_FROM else None
            bidder, asker = (taker, maker) if is_taker_bid else (maker, taker)
            opened = self.ledger.opened_by(
                listing.ticker, size, bidder=self._account_of(bidder), asker=self._account_of(asker)
            )
            self.floor.open_contracts(listing, opened)
            self.floor.trade(
                listing,
                PublicTrade(trade_id, listing.ticker, price, size, is_taker_bid, False, action.at_us // 1000),
            )
            if taker is not None:
                self._fill(action, taker, trade_id, price, size, is_taker=True)
                if maker is None:
                    self.ledger.fill_anonymous(listing.ticker, not is_taker_bid, price, size)
            if maker is not None:
                if taker is None:
                    self.ledger.fill_anonymous(listing.ticker, is_taker_bid, price, size)
                self._fill(action, maker, trade_id, price, size, is_taker=False)
                self._after_makers_fill(action, maker)

    def _account_of(self, live: LiveOrder | None) -> Account | None:
        return None if live is None else self.ledger.account(live.record.user_id, live.record.subaccount)

    def _fill(self, action: Action, live: LiveOrder, trade_id: str, price: int, size: int, *, is_taker: bool) -> None:
        """Book one side of a trade to its order and its account, and tell its owner."""
        record, at_us = live.record, action.at_us
        account = self.ledger.account(record.user_id, record.subaccount)
        _, fee, live.accumulated = self.ledger.fill(
            account,
            record.ticker,
            record.is_bid,
            price,
            size,
            fee_rate=self.tariff.rate(live.listing, is_taker=is_taker, at_us=at_us),
            accumulated=live.accumulated,
            at_us=at_us,
        )
        live.record = replace(
            record,
            filled=record.filled + size,
            remaining=record.remaining - size,
            taker_cost=record.taker_cost + (price * size if is_taker else 0),
            maker_cost=record.maker_cost + (0 if is_taker else price * size),
            taker_fees=record.taker_fees + (fee if is_taker else 0),
            maker_fees=record.maker_fees + (0 if is_taker else fee),
            updated_us=at_us,
        )
        action.accounts.setdefault(account, {})[record.ticker] = None
        group = self.groups.group_of(record.user_id, record.group_id)
        if group is not None:
            group.add_fill(size, at_us)
            action.groups[group] = None
        self.floor.tell(
            Filled(
                FillRecord(
                    trade_id=trade_id,
                    order_id=record.order_id,
                    user_id=record.user_id,
                    subaccount=record.subaccount,
                    client_order_id=record.client_order_id,
                    ticker=record.ticker,
                    is_bid=record.is_bid,
                    is_taker=is_taker,
                    price=price,
                    count=size,
                    fee=fee,
                    position=account.count_of(record.ticker),
                    at_us=at_us,
                )
            )
        )

    def _after_makers_fill(self, action: Action, maker: LiveOrder) -> None:
        record = maker.record
        if record.remaining:
            self.ledger.account(record.user_id, record.subaccount).claim(record.ticker, record.order_id, maker.claim)
            self.floor.tell(OrderChanged(record, "Trade"))
        else:
            self._lapse(action, maker, "Trade")

    def _rest(self, live: LiveOrder, order: Order) -> None:
        record = live.record
        live.engine_id = order.order_id
        self.live[record.order_id] = live
        self._by_engine[record.ticker][order.order_id] = live
        self.ledger.account(record.user_id, record.subaccount).claim(record.ticker, record.order_id, live.claim)
        group = self.groups.group_of(record.user_id, record.group_id)
        if group is not None:
            group.order_ids[record.order_id] = None

    def _take_out(self, live: LiveOrder) -> Change:
        """Out of the book only: the order is live, without a place."""
        change = self.engines[live.record.ticker].cancel(live.engine_id)
        assert change is not None
        del self._by_engine[live.record.ticker][live.engine_id]
        return change

    def _lapse(self, action: Action, live: LiveOrder, reason: str | None) -> None:
        """The order is over, filled or not: nothing of it is live, and its owner is told."""
        record = live.record
        status = OrderStatus.CANCELED if record.remaining else OrderStatus.EXECUTED
        live.record = replace(record, status=status, remaining=0, updated_us=action.at_us)
        self.live.pop(record.order_id, None)
        self._by_engine[record.ticker].pop(live.engine_id, None)
        self._touch(action, live)
        group = self.groups.group_of(record.user_id, record.group_id)
        if group is not None:
            group.order_ids.pop(record.order_id, None)
        self.ledger.account(record.user_id, record.subaccount).claim(record.ticker, record.order_id, None)
        self.floor.tell(OrderChanged(live.record, reason))

    def _touch(self, action: Action, live: LiveOrder) -> None:
        record = live.record
        action.accounts.setdefault(self.ledger.account(record.user_id, record.subaccount), {})
        group = self.groups.group_of(record.user_id, record.group_id)
        if group is not None:
            action.groups[group] = None

    def _finish(self, action: Action) -> None:
        """Tell what the action did to stakes, money and groups; then let it set off what it must."""
        at_us = action.at_us
        for account in list(action.accounts):
            self._restore_margin(action, account)
        for account, tickers in action.accounts.items():
            for ticker in tickers:
                self.floor.tell(PositionChanged(position_record(account, ticker)))
        for account in action.accounts:
            self.floor.tell(BalanceChanged(self.balance_record(account, at_us)))
        for group in action.groups:
            self.floor.tell(GroupTouched(group.record(at_us)))
        for group in action.groups:
            if group.is_exceeded(at_us):
                self.trigger(group, at_us)

    def _restore_margin(self, action: Action, account: Account) -> None:
        """Rounded fees, or new ones, may ask for more than is there: a market's newest orders go until it is enough."""
        while account.free < 0 and account.held:
            live = self.live[account.newest_claim()]
            self._tell_changes(live.listing, [self._take_out(live)], None, action.at_us)
            self._lapse(action, live, "MarginCancel")
