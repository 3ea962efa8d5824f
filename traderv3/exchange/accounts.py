"""The money of the exchange: accounts with cash, collateral and net positions, and one ledger in which nothing is lost.

A position is one signed number: above 0 YES, below 0 NO. Who buys NO posts what YES would cost at one dollar minus the
price, so buying NO while long YES sells the YES and frees its collateral; a closing order needs none. What resting
orders hold is part of the cash and not free. Everybody without an account (synthetic participants) is one anonymous
party with play money, whose position is the other side of the members'.
Units: prices 1e-4 dollar on the YES scale, counts 0.01 contract, money 1e-6 dollar, times microseconds since the epoch.
Source: Kalshi's pages on collateral and settlement (April to August 2026).
Left out: collateral returned across mutually exclusive markets (`MECNET`, `DIRECNET`), collateral per shard.
Never: a fill refused. What cannot be afforded is refused before it reaches a book.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from traderv3.domain.claims import Claim, Claims, own_price
from traderv3.domain.fees import Charge, Rounding, charge, trade_fee
from traderv3.domain.units import DOLLAR
from traderv3.exchange.records import PositionRecord

CENT: Final = 10_000  # money
SUBACCOUNTS: Final = range(64)


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is set aside for fees: the taker's rate of a market, for whatever rests, and the quantum of the fee."""

    rate_of: Callable[[str], Fraction]  # by ticker
    quantum: int


class Position:
    """One account's stake in one market, with the figures that `PositionRecord` shows."""

    __slots__ = ("cost", "count", "fee_cost", "fees_paid", "realized_pnl", "traded", "updated_us", "volume")

    def __init__(self) -> None:
        self.count = 0  # signed
        self.cost = 0
        self.realized_pnl = 0
        self.fees_paid = 0
        self.fee_cost = 0
        self.traded = 0
        self.volume = 0
        self.updated_us = 0

    def revenue(self, is_bid: bool, price: int, count: int) -> int:
        """What a fill would bring in (negative: cost) before fees: the closed part sells, the rest buys. Money."""
        closed = self.closed_by(is_bid, count)
        return closed * own_price(not is_bid, price) - (count - closed) * own_price(is_bid, price)

    def fill(self, is_bid: bool, price: int, count: int, fee: int, at_us: int) -> None:
        """Take a fill in. Cost and fees leave with the contracts they came with, on average."""
        assert count > 0
        closed = self.closed_by(is_bid, count)
        opened = count - closed
        if closed:
            cost = self.cost * closed // abs(self.count)
            self.realized_pnl += closed * own_price(not is_bid, price) - cost
            self.cost -= cost
            self.fee_cost -= self.fee_cost * closed // abs(self.count)
        self.cost += opened * own_price(is_bid, price)
        self.fee_cost += fee * opened // count
        self.count += count if is_bid else -count
        self.fees_paid += fee
        self.traded += own_price(is_bid, price) * count
        self.volume += count
        self.updated_us = at_us

    def pay_out(self, payout: int, fee: int, at_us: int) -> None:
        """Settle: the stake is gone, `payout` (before `fee`) came for it."""
        self.realized_pnl += payout - self.cost
        self.fees_paid += fee
        self.count = self.cost = self.fee_cost = 0
        self.updated_us = at_us

    def value_at(self, price: int) -> int:
        """What the stake is worth if one YES contract is worth `price`. Money."""
        return abs(self.count) * own_price(self.count > 0, price)

    def closed_by(self, is_bid: bool, count: int) -> int:
        """How much of a fill would close what is held."""
        return min(count, max(0, -self.count if is_bid else self.count))


class Account:
    """One member's subaccount. `cash` is all of its money, `held` the part that resting orders need."""

    def __init__(self, user_id: str, subaccount: int, reserve: Reserve) -> None:
        assert subaccount in SUBACCOUNTS
        self.user_id = user_id
        self.subaccount = subaccount
        self.cash = 0
        self.held = 0
        self.positions: dict[str, Position] = {}
        self._claims: dict[str, Claims] = {}  # by ticker, none of them empty
        self._held_for: dict[str, int] = {}
        self._reserve = reserve

    @property
    def free(self) -> int:
        """What may be spent; below 0 only by the rounding of fees, until orders are cancelled for it."""
        return self.cash - self.held

    def position(self, ticker: str) -> Position:
        """The stake in a market, made at its first use."""
        if ticker not in self.positions:
            self.positions[ticker] = Position()
        return self.positions[ticker]

    def count_of(self, ticker: str) -> int:
        """The signed net position, 0 where nothing was ever held."""
        position = self.positions.get(ticker)
        return position.count if position else 0

    def can_afford(self, ticker: str, order_id: str, claim: Claim) -> bool:
        """Whether `claim` may stand in the place of what the order claims now. What needs nothing more always may."""
        claims = self._claims.get(ticker) or Claims(self._reserve.rate_of(ticker), self._reserve.quantum)
        held = claims.get(order_id)
        claims.put(order_id, claim)
        more = self._needed(ticker, claims) - self._held_for.get(ticker, 0)
        claims.put(order_id, held)
        return more <= 0 or more <= self.free

    def claim(self, ticker: str, order_id: str, claim: Claim | None) -> None:
        """Set what an order claims, None: nothing any more; then hold what the market's orders need."""
        claims = self._claims.get(ticker)
        if claims is None:
            claims = self._claims[ticker] = Claims(self._reserve.rate_of(ticker), self._reserve.quantum)
        claims.put(order_id, claim)
        self.rehold(ticker)

    def rehold(self, ticker: str) -> None:
        """Hold what the market's orders need now; to be called when the position or the fees changed."""
        claims = self._claims.get(ticker)
        needed = self._needed(ticker, claims) if claims else 0
        self.held += needed - self._held_for.pop(ticker, 0)
        if needed:
            self._held_for[ticker] = needed
        if not claims:
            self._claims.pop(ticker, None)

    def claims(self) -> Iterable[tuple[str, str, Claim]]:
        """Every `(ticker, order_id, claim)`, oldest first in each market."""
        for ticker, claims in self._claims.items():
            for order_id, claim in claims.items():
                yield ticker, order_id, claim

    def newest_claim(self) -> str:
        """The newest order of the market in which orders came to rest last."""
        return self._claims[next(reversed(self._claims))].newest()

    def check(self) -> None:
        """Assert that exactly what the orders need is held."""
        for ticker, claims in self._claims.items():
            claims.check(self.count_of(ticker))
        needed = {ticker: self._needed(ticker, claims) for ticker, claims in self._claims.items()}
        assert {ticker: money for ticker, money in needed.items() if money} == self._held_for
        assert self.held == sum(self._held_for.values())

    def _needed(self, ticker: str, claims: Claims) -> int:
        return claims.needed(self.count_of(ticker), self._reserve.rate_of(ticker))


class Ledger:
    """All accounts, the anonymous party, and what the exchange earned. Deposits are the only money that comes in."""

    def __init__(self, rounding: Rounding, *, fee_rate_of: Callable[[str], Fraction]) -> None:
        self.rounding = rounding
        self.accounts: dict[tuple[str, int], Account] = {}
        self.anonymous: dict[str, int] = {}  # signed position by ticker
        self.anonymous_cash = 0
        self.fees = 0
        self.deposits = 0
        self._reserve = Reserve(fee_rate_of, rounding.quantum)

    def account(self, user_id: str, subaccount: int) -> Account:
        """A member's account, opened empty at its first use."""
        key = (user_id, subaccount)
        if key not in self.accounts:
            self.accounts[key] = Account(user_id, subaccount, self._reserve)
        return self.accounts[key]

    def deposit(self, account: Account, money: int) -> None:
        """Money from outside."""
        assert money >= 0
        account.cash += money
        self.deposits += money

    def fill(
        self,
        account: Account,
        ticker: str,
        is_bid: bool,
        price: int,
        count: int,
        *,
        fee_rate: Fraction,
        accumulated: int,
        at_us: int,
    ) -> Charge:
        """Book a member's side of a trade; `accumulated` is the order's, and comes back in the charge."""
        position = account.position(ticker)
        fee = trade_fee(fee_rate, price, count, quantum=self.rounding.quantum)
        booked = charge(position.revenue(is_bid, price, count), fee, accumulated, self.rounding)
        account.cash += booked.change
        self.fees += booked.fee
        position.fill(is_bid, price, count, booked.fee, at_us)
        return booked

    def fill_anonymous(self, ticker: str, is_bid: bool, price: int, count: int) -> None:
        """Book the other side of a member's trade where it has no account. No fees."""
        position = self._stake(None, ticker)
        self.anonymous_cash += position.revenue(is_bid, price, count)
        self.anonymous[ticker] = position.count + (count if is_bid else -count)

    def opened_by(self, ticker: str, count: int, *, bidder: Account | None, asker: Account | None) -> int:
        """How many more contracts are held after a trade that is not booked yet; None is the anonymous party.

        Among themselves the anonymous, who have one position, are taken to open with every second contract.
        """
        if bidder is asker is None:
            return count // 2
        return (
            count
            - self._stake(bidder, ticker).closed_by(True, count)
            - self._stake(asker, ticker).closed_by(False, count)
        )

    def _stake(self, account: Account | None, ticker: str) -> Position:
        """An account's stake, or the anonymous party's, which has a count alone."""
        if account is not None:
            return account.position(ticker)
        position = Position()
        position.count = self.anonymous.get(ticker, 0)
        return position

    def pay_out(self, account: Account, ticker: str, value: int, at_us: int) -> tuple[int, int]:
        """Settle one account's stake at `value` per YES contract; what it got, in whole cents, and the rest as a fee."""
        position = account.position(ticker)
        payout = position.value_at(value)
        fee = payout % CENT
        account.cash += payout - fee
        self.fees += fee
        position.pay_out(payout, fee, at_us)
        return payout - fee, fee

    def pay_out_anonymous(self, ticker: str, value: int) -> None:
        """Settle the anonymous side, without rounding."""
        count = self.anonymous.pop(ticker, 0)
        self.anonymous_cash += abs(count) * own_price(count > 0, value)

    def holders(self, ticker: str) -> list[Account]:
        """The accounts with a stake in a market, in the order in which they were opened."""
        return [account for account in self.accounts.values() if account.count_of(ticker)]

    def check(self) -> None:
        """Assert that positions sum to zero and that no money came from nowhere or went there."""
        shorts = 0
        tickers = {ticker for account in self.accounts.values() for ticker in account.positions} | self.anonymous.keys()
        for ticker in tickers:
            counts = [account.count_of(ticker) for account in self.accounts.values()]
            counts.append(self.anonymous.get(ticker, 0))
            assert sum(counts) == 0, f"{ticker}: positions sum to {sum(counts)}"
            shorts += sum(-count for count in counts if count < 0)
        cash = self.anonymous_cash + sum(account.cash for account in self.accounts.values())
        assert cash + self.fees + shorts * DOLLAR == self.deposits, "money is lost or made"
        for account in self.accounts.values():
            account.check()


def position_record(account: Account, ticker: str) -> PositionRecord:
    """A stake as it is now."""
    position = account.position(ticker)
    return PositionRecord(
        user_id=account.user_id,
        subaccount=account.subaccount,
        ticker=ticker,
        position=position.count,
        cost=position.cost,
        realized_pnl=position.realized_pnl,
        fees_paid=position.fees_paid,
        fee_cost=position.fee_cost,
        traded=position.traded,
        volume=position.volume,
        updated_us=position.updated_us,
    )
