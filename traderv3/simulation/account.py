"""The judge of trading: what the exchange holds of our account, against what the trader holds, sends and believes.

It hears every fact of the account where the exchange makes it, before any fault may touch it, and every request at the
moment it goes on the wire. At a quiet moment cash, balance, positions, open orders and fees are equal, to the micro-dollar.
Units: prices 1e-4 dollar, counts 0.01 contract, money 1e-6 dollar, virtual seconds.
Never: a look into the trader's own arithmetic.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio

from traderv3.coordinator import Trader
from traderv3.domain.orders import OrderState, Refused
from traderv3.domain.permission import Mode
from traderv3.exchange.accounts import Account
from traderv3.exchange.exchange import Exchange
from traderv3.exchange.records import MemberFact, OrderChanged, OrderRecord
from traderv3.simulation.limits import LimitsWitness, resting_orders
from traderv3.simulation.venture import Venture
from traderv3.simulation.witness import Broken
from traderv3.storage.intent_log import INTENT_FILE

ORDERS: Final = "/trade-api/v2/portfolio/events/orders"
BALANCE: Final = "/trade-api/v2/portfolio/balance"  # a part of each reading
EQUAL_S: Final = 4.0  # how long ago both must have been equal, where trading goes on all the time
RECOVERED_S: Final = 100.0  # a frozen connector is found after 60 s, the longest backoff follows, then readings
SWEPT_S: Final = 4.0  # from a halt to an exchange without orders of ours, where nothing is in the way


class AccountWitness:
    """Of one run that trades. `hindered_until_s` is until when a halt may take longer, `disturbed_until_s` until when anything
    is wrong with the world; whoever strikes sets both.
    """

    def __init__(self, trader: Trader, venture: Venture, report: Callable[[str], None]) -> None:
        assert trader.execution is not None
        self.fills = 0
        self.read_s = 0.0  # when somebody last asked for the account
        self.hindered_until_s = self.disturbed_until_s = 0.0
        self._trader = trader
        self._room = trader.execution
        self._risk = venture.risk
        self._intents = trader.settings.folder / INTENT_FILE
        self._report = report
        self._exchange: Exchange | None = None
        self._user_id = ""
        self._has_begun_anew = False  # the exchange was killed, and every account with it
        self._sent: set[str] = set()  # client order ids of creates that went on the wire
        self._accepted: dict[str, str] = {}  # order id by client order id, of this exchange
        self._equal_s = -math.inf
        self._halted_s: float | None = None
        self.refused: Counter[str] = Counter()  # by risk, how often by which rule
        self._count_refusals()
        self.limits = LimitsWitness(venture.risk, report, wall_us=trader.wall_us, must_close=self._why_closing_only)

    def _count_refusals(self) -> None:
        refusals = self._room.engine.refusals
        keep = refusals.by_risk

        def hear(refused: Refused[Any], ticker: str, strategy: str) -> None:
            self.refused[refused.rule] += 1
            keep(refused, ticker, strategy)

        setattr(refusals, "by_risk", hear)  # noqa: B010 - a method, in one object's place

    # -- hearing -------------------------------------------------------------------------------------------------------

    def meet(self, exchange: Exchange, user_id: str) -> None:
        """Another exchange stands from now on."""
        self._has_begun_anew = self._exchange is not None
        self._exchange, self._user_id = exchange, user_id
        self._accepted.clear()
        self.limits.meet(exchange, user_id)
        keep = exchange.floor.on_fact

        def hear(fact: MemberFact) -> None:
            keep(fact)
            self._hear(fact)

        exchange.floor.on_fact = hear

    def _hear(self, fact: MemberFact) -> None:
        if isinstance(fact, OrderChanged):
            order = fact.order
            if self._accepted.setdefault(order.client_order_id, order.order_id) != order.order_id:
                self._report(f"{order.client_order_id} was accepted twice")
            if order.remaining > self._risk.order.size:
                self._report(
                    f"{order.client_order_id} rests with {order.remaining}, and {self._risk.order.size} is the limit"
                )
        else:
            self.fills += type(fact).__name__ == "Filled"

    def on_wire(self, method: str, path: str, body: bytes) -> None:
        """A request goes on the wire at this moment."""
        if path == BALANCE:
            self.read_s = trio.current_time()
        if method != "POST" or not path.startswith(ORDERS) or path.endswith("/decrease"):
            return
        if self._trader.latch.stand.mode is Mode.HALTED:
            self._report(f"POST {path} while trading is halted")
        said: dict[str, Any] = msgspec.json.decode(body)
        is_undisturbed = trio.current_time() > self.hindered_until_s
        if path.endswith("/amend"):
            self.limits.on_amend(path.split("/")[-2], said, is_undisturbed=is_undisturbed)
            return
        kept = self._intents.read_bytes()
        for order in said.get("orders", [said]):
            name = order["client_order_id"]
            if name in self._sent:
                self._report(f"{name} was sent twice")
            if name.encode() not in kept:
                self._report(f"{name} goes on the wire, and the intent log does not hold it")
            self._sent.add(name)
            self.limits.on_create(order, is_undisturbed=is_undisturbed)

    # -- judging -------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Everything that must be true now. Raises `Broken`."""
        if self._exchange is None:
            return
        self._room.portfolio.check()
        if (broken := self.limits.why_broken()) is not None:
            raise Broken(broken)
        self._check_halt()
        now_s, why = trio.current_time(), self.why_different()
        if why is None:
            self._equal_s = now_s
        elif now_s - max(self._equal_s, self.disturbed_until_s + RECOVERED_S) > EQUAL_S:
            raise Broken(f"the account differs since {self._equal_s:.1f} s, and nothing disturbs: {why}")

    def _check_halt(self) -> None:
        now_s = trio.current_time()
        if self._trader.latch.stand.mode is not Mode.HALTED:
            self._halted_s = None
            return
        self._halted_s = now_s if self._halted_s is None else self._halted_s
        since_s = max(self._halted_s, self.hindered_until_s)
        if now_s - since_s > SWEPT_S and (left := self._resting()):
            raise Broken(f"halted for {now_s - self._halted_s:.1f} s, and {len(left)} orders rest")

    # -- comparing -----------------------------------------------------------------------------------------------------

    def why_not_well(self) -> str | None:
        """What of the account is still to recover, or None; trading may go on all the time."""
        report = self._trader.trading_report()
        if report.stage not in ("clean", "acting"):
            return f"trading is {report.stage}: {report.why}"
        if unsettled := [line for line in report.differences if not line.is_settled]:
            return f"differences: {unsettled}"
        if trio.current_time() - self._equal_s > EQUAL_S:
            return f"the account differs since {self._equal_s:.1f} s: {self.why_different()}"
        return None

    def why_different(self) -> str | None:
        """In what the trader and the exchange differ now, or None."""
        portfolio, account = self._room.portfolio, self._account()
        theirs = {
            order.order_id: (order.ticker, order.is_bid, order.price, order.remaining) for order in self._resting()
        }
        ours = {
            order.order_id: (order.ticker, order.is_bid, order.price, order.remaining)
            for order in portfolio.open.values()
            if order.state is OrderState.RESTING and order.order_id is not None
        }
        if ours != theirs:
            return f"orders: {_apart(ours, theirs)}"
        if unsure := [order for order in portfolio.open.values() if order.state is not OrderState.RESTING]:
            return f"orders: {unsure[0].client_order_id} is {unsure[0].state}"
        held = {ticker: position.count for ticker, position in account.positions.items() if position.count}
        believed = {ticker: int(position.count) for ticker, position in portfolio.positions.items() if position.count}
        if held != believed:
            return f"positions: {_apart(believed, held)}"
        if portfolio.cash != account.cash:
            return f"cash: {portfolio.cash} instead of {account.cash}"
        if portfolio.free != account.free:
            return f"balance: {portfolio.free} instead of {account.free}"
        fees = sum(position.fees_paid for position in account.positions.values())
        paid = sum(position.fees for position in portfolio.positions.values())
        if fees != paid and not self._has_begun_anew:
            return f"fees: {paid} instead of {fees}"
        return None

    def check_over(self) -> None:
        """After an ordered stop: nothing of ours rests. Raises `Broken`."""
        if self._exchange is not None and (left := self._resting()):
            raise Broken(f"the trader has stopped in order, and {len(left)} orders rest: {left[0].client_order_id}")

    @property
    def is_locked(self) -> bool:
        """A stop of the day holds."""
        return bool(self._room.day.facts(self._trader.wall_us()).locks)

    @property
    def is_halted(self) -> bool:
        """The latch says so."""
        return self._trader.latch.stand.mode is Mode.HALTED

    @property
    def is_alike(self) -> bool:
        """Both were equal at some moment lately."""
        return self._exchange is None or trio.current_time() - self._equal_s <= EQUAL_S

    @property
    def resting(self) -> int:
        """How many orders of ours rest at the exchange."""
        return len(self._resting())

    def _account(self) -> Account:
        assert self._exchange is not None
        return self._exchange.desk.pit.ledger.account(self._user_id, 0)

    def _resting(self) -> list[OrderRecord]:
        return [] if self._exchange is None else list(resting_orders(self._exchange, self._user_id))

    def _why_closing_only(self) -> str | None:
        """Why the trader says that it only closes."""
        mode = self._trader.latch.stand.mode
        locks = self._room.day.facts(self._trader.wall_us()).locks
        return f"trading is {mode}" if mode is not Mode.ACTIVE else locks[0].rule if locks else None


def _apart(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    keys = [key for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)]
    return ", ".join(f"{key} {ours.get(key)} instead of {theirs.get(key)}" for key in keys[:3])
