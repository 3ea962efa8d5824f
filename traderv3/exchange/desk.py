"""The trading desk: the members' verbs over the operator's; it decides, the pit executes.

Every verb says yes by returning the record, or no by raising `Rejected`; what happened was told through the floor by
then. While trading is paused nothing is placed or amended but orders may be cancelled and decreased; while the exchange
is paused nothing at all. A halted market answers as paused trading does, one past its close `MARKET_INACTIVE`.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's OpenAPI document 3.34.0; codes and id rules as captured on the demo exchange (June 2026).
Never: a wait. A `client_order_id` once used is remembered for ever, as at the venue.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from traderv3.domain.claims import Claim
from traderv3.domain.matching import Verdict
from traderv3.exchange import admission
from traderv3.exchange.accounts import SUBACCOUNTS, Account
from traderv3.exchange.floor import Floor
from traderv3.exchange.live_orders import LiveOrder, new_id
from traderv3.exchange.operations import Operations, Rules, Timer
from traderv3.exchange.order_groups import check_limit
from traderv3.exchange.records import (
    Amendment,
    BalanceChanged,
    GroupChanged,
    GroupEvent,
    GroupRecord,
    NewOrder,
    OrderRecord,
    OrderStatus,
    Rejected,
)

_DEFAULT_RULES: Final = Rules()


class Desk(Operations):
    """The one writer of orders, accounts and engines. `takes_orders` False (a recording plays): every verb is paused."""

    def __init__(
        self,
        floor: Floor,
        *,
        now_us: Callable[[], int],
        rng: random.Random,
        rules: Rules = _DEFAULT_RULES,
        takes_orders: bool = True,
    ) -> None:
        super().__init__(floor, now_us=now_us, rng=rng, rules=rules)
        self.takes_orders = takes_orders
        self._rng = rng
        self._used_ids: dict[str, set[str]] = {}

    def open_account(self, user_id: str, *, balance: int, subaccount: int = 0) -> Account:
        """Give a member money; other subaccounts begin empty at their first use."""
        account = self._account(user_id, subaccount)
        self.pit.ledger.deposit(account, balance)
        self.floor.tell(BalanceChanged(self.pit.balance_record(account, self._now_us())))
        return account

    # -- orders ----------------------------------------------------------------------------------------------------

    def create(self, user_id: str, new: NewOrder) -> OrderRecord:
        """Place an order; the record is as it is after matching."""
        now_us = self._admit_trading()
        listing = self.listing(new.ticker)
        admission.check_market(listing)
        admission.check_new(new, listing, now_us)
        account = self._account(user_id, new.subaccount)
        used_ids = self._used_ids.setdefault(user_id, set())
        if new.client_order_id in used_ids:
            raise Rejected(409, "order_already_exists")
        self._check_group(user_id, new)
        record = self._record(user_id, new, self._allowed_count(account, new), now_us)
        if not account.can_afford(new.ticker, record.order_id, Claim(new.is_bid, new.price, record.remaining)):
            raise Rejected(400, "insufficient_balance")
        live = LiveOrder(record, listing)
        verdict = self.pit.submit(live, now_us)
        if verdict is Verdict.POST_ONLY_CROSSES:
            raise Rejected(400, "invalid_order", details=verdict.value)
        if new.client_order_id:
            used_ids.add(new.client_order_id)
        if verdict is Verdict.FOK_TOO_LARGE:
            raise Rejected(409, verdict.value)
        self._watch_expiry(live)
        return live.record

    def amend(self, user_id: str, order_id: str, amendment: Amendment, *, subaccount: int = 0) -> OrderRecord:
        """Change price, size, expiry or client order id. A new price or more size goes to the back, and may trade."""
        now_us = self._admit_trading()
        live = self._find(user_id, order_id, subaccount)
        record = live.record
        admission.check_market(live.listing)
        admission.check_amendment(amendment, record, live.listing, now_us)
        client_order_id = amendment.updated_client_order_id or record.client_order_id
        used_ids = self._used_ids.setdefault(user_id, set())
        if client_order_id != record.client_order_id and client_order_id in used_ids:
            raise Rejected(409, "order_already_exists")
        amended = replace(
            record,
            client_order_id=client_order_id,
            price=amendment.price,
            initial_count=amendment.count,
            remaining=amendment.count - record.filled,
            expires_us=record.expires_us if amendment.expires_us is None else amendment.expires_us or None,
            updated_us=now_us,
        )
        keeps_place = amended.price == record.price and amended.remaining <= record.remaining
        account = self._account(user_id, record.subaccount)
        claim = Claim(amended.is_bid, amended.price, amended.remaining)
        if not keeps_place and not account.can_afford(record.ticker, order_id, claim):
            raise Rejected(400, "insufficient_balance")
        if client_order_id:
            used_ids.add(client_order_id)
        if keeps_place:
            self.pit.reduce(live, amended, "Amend", now_us)
        else:
            live.record = amended
            self.pit.resubmit(live, now_us)
        self._watch_expiry(live)
        return live.record

    def decrease(
        self, user_id: str, order_id: str, *, by: int | None = None, to: int | None = None, subaccount: int = 0
    ) -> OrderRecord:
        """Want less, in the same place of the queue; exactly one of `by` and `to`. Down to nothing is a cancel."""
        now_us = self._admit_withdrawing()
        live = self._find(user_id, order_id, subaccount)
        admission.check_not_over(live.listing)
        if (by is None) == (to is None):
            raise Rejected(400, "invalid_parameters", details="exactly one of reduce_by and reduce_to")
        record = live.record
        left = max(0, record.remaining - by) if by is not None else to
        assert left is not None
        if not 0 <= left < record.remaining:
            raise Rejected(400, "invalid_order_size")
        if left:
            self.pit.reduce(live, replace(record, remaining=left, updated_us=now_us), "Decrease", now_us)
        else:
            self.pit.withdraw(live, "Decrease", now_us, is_owners=True)
        return live.record

    def cancel(self, user_id: str, order_id: str, *, subaccount: int = 0) -> tuple[OrderRecord, int]:
        """Cancel what rests of an order; the record and how much that was."""
        now_us = self._admit_withdrawing()
        live = self._find(user_id, order_id, subaccount)
        admission.check_not_over(live.listing)
        reduced_by = live.record.remaining
        self.pit.withdraw(live, None, now_us, is_owners=True)
        return live.record, reduced_by

    def cancel_all(self, user_id: str, *, subaccount: int | None = None) -> list[OrderRecord]:
        """Cancel a member's orders, of one subaccount or all, wherever orders may still be cancelled."""
        now_us = self._admit_withdrawing()
        cancelled = []
        for live in list(self.pit.live.values()):
            record = live.record
            is_meant = record.user_id == user_id and subaccount in (None, record.subaccount)
            if is_meant and not admission.is_over(live.listing):
                self.pit.withdraw(live, None, now_us, is_owners=True)
                cancelled.append(live.record)
        return cancelled

    def queue_positions(self, user_id: str, ticker: str) -> dict[str, int]:
        """How much stands before each order that a member has in a market, better prices included."""
        self.now_us()
        return self.pit.queue_positions(user_id, ticker)

    def queue_position(self, user_id: str, order_id: str) -> int:
        """How much stands before an order."""
        self.now_us()
        live = self._find(user_id, order_id)
        return self.engine(live.record.ticker).ahead_of(live.engine_id)

    # -- order groups ----------------------------------------------------------------------------------------------

    def create_group(self, user_id: str, limit: int, subaccount: int = 0) -> GroupRecord:
        """A new group of orders of which `limit` may fill within 15 s."""
        now_us = self.now_us()
        account = self._account(user_id, subaccount)
        group = self.pit.groups.create(new_id(self._rng), user_id, limit, account.subaccount)
        record = group.record(now_us)
        self.floor.tell(GroupChanged(record, GroupEvent.CREATED))
        return record

    def reset_group(self, user_id: str, group_id: str) -> GroupRecord:
        """Let a group take orders again, its window empty."""
        now_us = self.now_us()
        group = self.pit.groups.find(user_id, group_id)
        group.reset()
        record = group.record(now_us)
        self.floor.tell(GroupChanged(record, GroupEvent.RESET))
        return record

    def trigger_group(self, user_id: str, group_id: str) -> GroupRecord:
        """Cancel a group's orders and take no new ones, as if its limit had been exceeded."""
        now_us = self.now_us()
        group = self.pit.groups.find(user_id, group_id)
        if not group.is_triggered:
            self.pit.trigger(group, now_us)
        return group.record(now_us)

    def set_group_limit(self, user_id: str, group_id: str, limit: int) -> GroupRecord:
        """Another limit; below what filled in the last 15 s it triggers the group."""
        now_us = self.now_us()
        group = self.pit.groups.find(user_id, group_id)
        check_limit(limit)
        group.limit = limit
        self.floor.tell(GroupChanged(group.record(now_us), GroupEvent.LIMIT_UPDATED))
        if group.is_exceeded(now_us):
            self.pit.trigger(group, now_us)
        return group.record(now_us)

    def delete_group(self, user_id: str, group_id: str) -> GroupRecord:
        """Cancel a group's orders and forget it."""
        now_us = self.now_us()
        group = self.pit.groups.find(user_id, group_id)
        self.pit.empty(group, now_us)
        record = group.record(now_us)
        self.pit.groups.delete(group)
        self.floor.tell(GroupChanged(record, GroupEvent.DELETED))
        return record

    def check(self) -> None:
        """Assert every invariant: engines, orders, claims, positions, money, and that the public sees the engines' books."""
        self.pit.check()
        if not self.takes_orders:
            return
        for ticker, listing in self.floor.listings.items():
            engine, book = self.engine(ticker), listing.book
            assert dict(engine.public_levels(True)) == book.yes
            assert dict(engine.public_levels(False)) == book.no
            assert not book.is_crossed

    # -- parts -----------------------------------------------------------------------------------------------------

    def _admit_withdrawing(self) -> int:
        """The time, if orders may be withdrawn now."""
        now_us = self.now_us()
        if not self.takes_orders:
            raise Rejected(409, "trading_is_paused")
        if not self.is_exchange_active:
            raise Rejected(409, "exchange_is_paused")
        return now_us

    def _admit_trading(self) -> int:
        """The time, if orders may be placed now."""
        now_us = self._admit_withdrawing()
        if not self.is_trading_active:
            raise Rejected(409, "trading_is_paused")
        return now_us

    def _account(self, user_id: str, subaccount: int) -> Account:
        if subaccount not in SUBACCOUNTS:
            raise Rejected(400, "invalid_parameters", details="subaccount must be 0 to 63")
        return self.pit.ledger.account(user_id, subaccount)

    def _find(self, user_id: str, order_id: str, subaccount: int | None = None) -> LiveOrder:
        """A member's own live order; whoever asks for another learns nothing of it."""
        live = self.pit.live.get(order_id)
        if live is None or live.record.user_id != user_id or subaccount not in (None, live.record.subaccount):
            raise Rejected(404, "not_found")
        return live

    def _check_group(self, user_id: str, new: NewOrder) -> None:
        if new.group_id is None:
            return
        group = self.pit.groups.find(user_id, new.group_id)
        if group.subaccount != new.subaccount:
            raise Rejected(404, "not_found")
        if group.is_triggered:
            raise Rejected(400, "invalid_order", details="order group is triggered")

    def _allowed_count(self, account: Account, new: NewOrder) -> int:
        """What an order may want: a reduce-only one no more than closes the position."""
        if not new.is_reduce_only:
            return new.count
        count = account.count_of(new.ticker)
        closable = max(0, -count if new.is_bid else count)
        if not closable:
            raise Rejected(400, "invalid_order", details="reduce only order has no position to reduce")
        return min(new.count, closable)

    def _record(self, user_id: str, new: NewOrder, count: int, now_us: int) -> OrderRecord:
        return OrderRecord(
            order_id=new_id(self._rng),
            user_id=user_id,
            subaccount=new.subaccount,
            client_order_id=new.client_order_id or "",
            ticker=new.ticker,
            is_bid=new.is_bid,
            price=new.price,
            status=OrderStatus.RESTING,
            initial_count=count,
            filled=0,
            remaining=count,
            taker_cost=0,
            maker_cost=0,
            taker_fees=0,
            maker_fees=0,
            time_in_force=new.time_in_force,
            self_trade=new.self_trade,
            is_post_only=new.is_post_only,
            is_reduce_only=new.is_reduce_only,
            is_cancelled_on_pause=new.is_cancelled_on_pause,
            group_id=new.group_id,
            created_us=now_us,
            updated_us=now_us,
            expires_us=new.expires_us,
        )

    def _watch_expiry(self, live: LiveOrder) -> None:
        record = live.record
        if record.expires_us is not None and record.status is OrderStatus.RESTING:
            self.set_timer(Timer.EXPIRE, record.order_id, record.expires_us)
