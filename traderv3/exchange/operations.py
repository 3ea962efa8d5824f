"""The operator's half of the desk: pauses, the life of every market, settlement, fees, and what the clock brings.

Every verb first lets happen what was due before it. An operator who asks for what the table of `lifecycle` does not
know gets `Rejected` with 409 `invalid_market_status`; an unknown market is 404 `market_not_found`.
Units: prices 1e-4 dollar, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's pages on maintenance (2026-04-30), market lifecycle (2026-06-01) and settlement (2026-04-30).
Never: a wait. `step` is told the time, and acts out everything due until then.
"""

import enum
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from traderv3.domain.fees import ROUNDING, FeeSchedule, Rounding
from traderv3.domain.matching import MatchingEngine
from traderv3.domain.units import DOLLAR
from traderv3.exchange import lifecycle
from traderv3.exchange.accounts import Account, position_record
from traderv3.exchange.floor import Floor
from traderv3.exchange.lifecycle import SECOND_US, TRANSITIONS, MarketStatus, Step
from traderv3.exchange.listing import Listing
from traderv3.exchange.market import STRUCTURES, Market
from traderv3.exchange.pit import Pit
from traderv3.exchange.records import (
    BalanceChanged,
    MarketMoved,
    PositionChanged,
    Rejected,
    Settled,
    SettlementRecord,
)

RESULT_VALUES: Final = {"yes": int(DOLLAR), "no": 0}  # what one YES contract pays; `scalar` brings its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be set about this exchange. After a close resting orders are cancelled `close_cancel_delay_us` later."""

    rounding: Rounding = ROUNDING
    close_cancel_delay_us: int = SECOND_US


class Timer(enum.IntEnum):
    """What falls due by itself."""

    OPEN = 1
    CLOSE = 2
    CLOSE_CANCEL = 3
    SETTLE = 4
    EXPIRE = 5


class Operations:
    """Everything of the desk that no member may do."""

    def __init__(self, floor: Floor, *, now_us: Callable[[], int], rng: random.Random, rules: Rules) -> None:
        self.floor = floor
        self.rules = rules
        self.pit = Pit(floor, rng, rules.rounding)
        self._now_us = now_us
        self._is_trading = True
        self._is_exchange_open = True
        self._timers: list[tuple[int, int, Timer, str]] = []
        self._timers_set = 0
        self._on_timer: dict[Timer, Callable[[str, int], None]] = {
            Timer.OPEN: self._open_due,
            Timer.CLOSE: self._close_due,
            Timer.CLOSE_CANCEL: self._close_cancel_due,
            Timer.SETTLE: self._settle_due,
            Timer.EXPIRE: self._expire_due,
        }
        for listing in floor.listings.values():
            self._await(listing)

    # -- time ------------------------------------------------------------------------------------------------------

    def step(self, now_us: int) -> None:
        """Let everything happen that is due until `now_us`."""
        while self._timers and self._timers[0][0] <= now_us:
            _, _, timer, key = heapq.heappop(self._timers)
            self._on_timer[timer](key, now_us)

    def set_timer(self, timer: Timer, key: str, at_us: int) -> None:
        """Have something happen; what no longer holds by then does not."""
        self._timers_set += 1
        heapq.heappush(self._timers, (at_us, self._timers_set, timer, key))

    def now_us(self) -> int:
        """The time, after everything due by now has happened."""
        now_us = self._now_us()
        self.step(now_us)
        return now_us

    # -- pauses ----------------------------------------------------------------------------------------------------

    @property
    def is_trading_active(self) -> bool:
        """Whether orders may be placed and amended."""
        return self._is_trading and self._is_exchange_open

    @property
    def is_exchange_active(self) -> bool:
        """Whether orders may be cancelled at least."""
        return self._is_exchange_open

    def is_open(self, listing: Listing) -> bool:
        """Whether this market trades now."""
        return listing.is_trading and self.is_trading_active

    def pause_trading(self) -> None:
        """Nothing is placed or amended from now on; orders that asked for it are cancelled."""
        now_us = self.now_us()
        self._is_trading = False
        self._cancel_on_pause(now_us)

    def resume_trading(self) -> None:
        """The opposite."""
        self._is_trading = True

    def pause_exchange(self) -> None:
        """Nothing at all from now on, cancels neither; orders that asked for it are cancelled."""
        now_us = self.now_us()
        self._is_exchange_open = False
        self._cancel_on_pause(now_us)

    def resume_exchange(self) -> None:
        """The opposite."""
        self._is_exchange_open = True

    # -- markets ---------------------------------------------------------------------------------------------------

    def listing(self, ticker: str) -> Listing:
        """A market. Raises `Rejected`."""
        listing = self.floor.listings.get(ticker)
        if listing is None:
            raise Rejected(404, "market_not_found")
        return listing

    def engine(self, ticker: str) -> MatchingEngine:
        """A market's book with its orders; to read."""
        return self.pit.engines[ticker]

    def create_market(self, market: Market) -> Listing:
        """A new market; it opens by itself at its time."""
        now_us = self.now_us()
        if market.ticker in self.floor.listings:
            raise Rejected(409, "market_already_exists")
        is_new_event = all(other.market.event.ticker != market.event.ticker for other in self.floor.listings.values())
        listing = Listing(market)
        self.floor.listings[market.ticker] = listing
        self.pit.open_market(listing)
        if market.open_us > now_us:
            listing.status = MarketStatus.INITIALIZED
        self._await(listing)
        if is_new_event:
            self.floor.announce_event(market.event)
        self._announce(listing, "created", lifecycle.created(market), now_us)
        return listing

    def deactivate(self, ticker: str) -> None:
        """Halt one market."""
        now_us, listing = self.now_us(), self.listing(ticker)
        self._move(listing, Step.DEACTIVATE)
        self._announce(listing, "deactivated", lifecycle.activation(is_deactivated=True), now_us)

    def activate(self, ticker: str) -> None:
        """End a halt; everything that still rests there is cancelled."""
        now_us, listing = self.now_us(), self.listing(ticker)
        self._move(listing, Step.ACTIVATE)
        self.pit.clear(listing, "HaltCancel", now_us)
        self._announce(listing, "activated", lifecycle.activation(is_deactivated=False), now_us)

    def close(self, ticker: str, close_us: int | None = None) -> None:
        """Close a market now, or at another time than planned."""
        self.move_close(ticker, self._now_us() if close_us is None else close_us)

    def move_close(self, ticker: str, close_us: int) -> None:
        """Give a market another close time. A closed one re-opens if that lies in the future, an open one closes if not."""
        now_us, listing = self.now_us(), self.listing(ticker)
        is_reopened = listing.status is MarketStatus.CLOSED and close_us > now_us
        if not is_reopened and (listing.status, Step.CLOSE) not in TRANSITIONS:
            raise _wrong_status(listing, Step.CLOSE)
        listing.close_us = close_us
        self._announce(listing, "close_date_updated", lifecycle.close_date(close_us), now_us)
        if is_reopened:
            self.pit.clear(listing, "CloseCancel", now_us)
            self._move(listing, Step.REOPEN)
            self._announce(listing, "activated", lifecycle.activation(is_deactivated=False), now_us)
        self.set_timer(Timer.CLOSE, ticker, close_us)
        self.step(now_us)

    def determine(self, ticker: str, result: str, value: int | None = None) -> None:
        """Say how it came out; `scalar` needs a `value` per YES contract. A market still open closes early."""
        now_us, listing = self.now_us(), self.listing(ticker)
        value = RESULT_VALUES.get(result, value)
        if value is None or not 0 <= value <= DOLLAR or result not in (*RESULT_VALUES, "scalar"):
            raise Rejected(400, "invalid_parameters", details="result is yes, no, or scalar with a value of 0 to 1")
        if (listing.status, Step.CLOSE) in TRANSITIONS:
            self.move_close(ticker, now_us)
        self._move(listing, Step.DETERMINE)
        self.pit.clear(listing, "CloseCancel", now_us)
        listing.result = result
        listing.settlement_value = value
        listing.determined_us = now_us
        self._announce(listing, "determined", lifecycle.determination(result, value, now_us), now_us)
        self.set_timer(Timer.SETTLE, ticker, now_us + listing.market.settlement_timer_s * SECOND_US)

    def settle(self, ticker: str) -> None:
        """Pay out now, without waiting for the timer."""
        now_us = self.now_us()
        self._settle(self.listing(ticker), now_us)

    def change_structure(self, ticker: str, structure: str) -> None:
        """Give a market another price grid; what rests off the new grid stays where it is."""
        now_us, listing = self.now_us(), self.listing(ticker)
        if structure not in STRUCTURES:
            raise Rejected(400, "invalid_parameters", details="unknown price level structure")
        listing.market = replace(listing.market, own_structure=structure)
        self._announce(listing, "price_level_structure_updated", lifecycle.structure(listing.market), now_us)

    def override_fees(self, event_ticker: str, fees: FeeSchedule | None) -> None:
        """Charge an event otherwise than its series, None: as its series again. Orders that cannot pay it are cancelled."""
        now_us = self.now_us()
        if all(listing.market.event.ticker != event_ticker for listing in self.floor.listings.values()):
            raise Rejected(404, "not_found")
        self.pit.tariff.override(event_ticker, fees)
        if fees is None:
            self.floor.announce_fees(event_ticker, None, None)
        else:
            self.floor.announce_fees(event_ticker, fees.fee_type, fees.multiplier)
        self.pit.rehold(now_us)

    # -- parts -----------------------------------------------------------------------------------------------------

    def _await(self, listing: Listing) -> None:
        if listing.status is MarketStatus.INITIALIZED:
            self.set_timer(Timer.OPEN, listing.ticker, listing.open_us)
        self.set_timer(Timer.CLOSE, listing.ticker, listing.close_us)

    def _move(self, listing: Listing, step: Step) -> None:
        status = TRANSITIONS.get((listing.status, step))
        if status is None:
            raise _wrong_status(listing, step)
        listing.status = status

    def _announce(self, listing: Listing, event_type: str, members: lifecycle.Members, at_us: int) -> None:
        self.floor.announce(MarketMoved(listing.ticker, event_type, members, at_us))

    def _cancel_on_pause(self, now_us: int) -> None:
        for live in list(self.pit.live.values()):
            if live.record.is_cancelled_on_pause and live.record.order_id in self.pit.live:
                self.pit.withdraw(live, "HaltCancel", now_us)

    def _settle(self, listing: Listing, now_us: int) -> None:
        self._move(listing, Step.SETTLE)
        assert listing.settlement_value is not None
        for account in self.pit.ledger.holders(listing.ticker):
            self._pay_out(account, listing, listing.settlement_value, now_us)
        self.pit.ledger.pay_out_anonymous(listing.ticker, listing.settlement_value)
        listing.settled_us = now_us
        self._announce(listing, "settled", lifecycle.settlement(now_us), now_us)

    def _pay_out(self, account: Account, listing: Listing, value: int, now_us: int) -> None:
        position = account.position(listing.ticker)
        count, cost = position.count, position.cost
        revenue, fee = self.pit.ledger.pay_out(account, listing.ticker, value, now_us)
        settlement = SettlementRecord(
            user_id=account.user_id,
            subaccount=account.subaccount,
            ticker=listing.ticker,
            event_ticker=listing.market.event.ticker,
            result=listing.result,
            yes_count=max(0, count),
            yes_cost=cost if count > 0 else 0,
            no_count=max(0, -count),
            no_cost=cost if count < 0 else 0,
            revenue=revenue,
            value=value,
            fee=fee,
            at_us=now_us,
        )
        self.floor.tell(Settled(settlement))
        self.floor.tell(PositionChanged(position_record(account, listing.ticker)))
        self.floor.tell(BalanceChanged(self.pit.balance_record(account, now_us)))

    # -- what falls due --------------------------------------------------------------------------------------------

    def _open_due(self, ticker: str, now_us: int) -> None:
        listing = self.listing(ticker)
        if listing.status is MarketStatus.INITIALIZED and listing.open_us <= now_us:
            self._move(listing, Step.OPEN)

    def _close_due(self, ticker: str, now_us: int) -> None:
        listing = self.listing(ticker)
        if (listing.status, Step.CLOSE) in TRANSITIONS and listing.close_us <= now_us:
            self._move(listing, Step.CLOSE)
            self.set_timer(Timer.CLOSE_CANCEL, ticker, now_us + self.rules.close_cancel_delay_us)

    def _close_cancel_due(self, ticker: str, now_us: int) -> None:
        listing = self.listing(ticker)
        if listing.status is MarketStatus.CLOSED:
            self.pit.clear(listing, "CloseCancel", now_us)

    def _settle_due(self, ticker: str, now_us: int) -> None:
        listing = self.listing(ticker)
        if listing.status is MarketStatus.DETERMINED:
            self._settle(listing, now_us)

    def _expire_due(self, order_id: str, now_us: int) -> None:
        live = self.pit.live.get(order_id)
        if live is not None and live.record.expires_us is not None and live.record.expires_us <= now_us:
            self.pit.withdraw(live, "ExpiryCancel", now_us)


def _wrong_status(listing: Listing, step: Step) -> Rejected:
    return Rejected(409, "invalid_market_status", details=f"{listing.ticker} is {listing.status}: it cannot {step}")
