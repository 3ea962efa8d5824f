"""The judge of trading is not easily pleased: each lie about the account is told, and the truth passes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from tests.exchange.house import TICKER, House
from traderv3.domain.orders import OrderState
from traderv3.domain.permission import Mode
from traderv3.exchange.records import OrderChanged, OrderRecord
from traderv3.simulation.account import EQUAL_S, ORDERS, RECOVERED_S, SWEPT_S, AccountWitness
from traderv3.simulation.venture import Venture, draw_venture
from traderv3.simulation.witness import Broken
from traderv3.storage.intent_log import INTENT_FILE

if TYPE_CHECKING:
    from traderv3.coordinator import Trader
    from traderv3.exchange.exchange import Exchange

US = "we"


class Believer:
    """What a trader believes, as the judge reads it: told everything, until it is made to believe something else."""

    def __init__(self, house: House) -> None:
        account = house.desk.pit.ledger.account(US, 0)
        self.open = {
            live.record.order_id: SimpleNamespace(
                order_id=live.record.order_id,
                client_order_id=live.record.client_order_id,
                ticker=live.record.ticker,
                is_bid=live.record.is_bid,
                price=live.record.price,
                remaining=live.record.remaining,
                state=OrderState.RESTING,
            )
            for live in house.desk.pit.live.values()
            if live.record.user_id == US
        }
        self.positions = {
            ticker: SimpleNamespace(count=each.count, fees=each.fees_paid) for ticker, each in account.positions.items()
        }
        self.cash, self.free = account.cash, account.free

    def check(self) -> None:
        """All is well inside."""


class Scene:
    """A desk at which we trade, a trader that believes, and the judge of both."""

    def __init__(self, folder: Path) -> None:
        self.told: list[str] = []
        self.house = House()
        self.house.open(US, "they")
        venture = draw_venture(1, "restless", may_be_narrow=False)
        assert venture is not None
        self.room = SimpleNamespace(
            portfolio=Believer(self.house),
            engine=SimpleNamespace(refusals=SimpleNamespace(by_risk=lambda *_: None)),
            day=SimpleNamespace(facts=lambda _: SimpleNamespace(locks=())),
        )
        self.latch = SimpleNamespace(stand=SimpleNamespace(mode=Mode.ACTIVE))
        trader = SimpleNamespace(
            execution=self.room,
            settings=SimpleNamespace(folder=folder / "sim"),
            latch=self.latch,
            wall_us=lambda: 0,
        )
        self.intents = folder / "sim" / INTENT_FILE
        self.intents.parent.mkdir()
        self.intents.write_bytes(b"")
        self.judge = AccountWitness(cast("Trader", trader), _roomy(venture), self.told.append)
        self.judge.meet(cast("Exchange", self.house), US)

    def trade(self) -> OrderRecord:
        """One order of ours rests, one has filled, and the trader was told."""
        self.house.order("they", "ask 2 @ 40")
        self.house.order(US, "bid 2 @ 40", client_order_id="filled")
        record = self.house.order(US, "bid 1 @ 30", client_order_id="rests")
        self.room.portfolio = Believer(self.house)
        return record

    def sends(self, name: str, *, is_kept: bool = True) -> None:
        """A create of ours goes on the wire."""
        if is_kept:
            self.intents.write_bytes(self.intents.read_bytes() + name.encode())
        order = {"ticker": TICKER, "client_order_id": name, "side": "bid", "count": "1.00", "price": "0.3000"}
        self.judge.on_wire("POST", ORDERS, msgspec.json.encode(order))


def _roomy(venture: Venture) -> Venture:
    return replace(venture, risk=replace(venture.risk, gate=replace(venture.risk.gate, orders_per_s=100)))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_the_truth_passes(scene: Scene, autojump_clock: MockClock) -> None:
    scene.trade()
    scene.judge.step()
    scene.sends("one")
    scene.sends("two")

    assert scene.judge.why_different() is None
    assert scene.told == []
    assert scene.judge.fills == 2  # both sides are members here


def _miss_a_fill(scene: Scene) -> None:
    scene.house.order("they", "ask 1 @ 30")


def _hold_one_more(scene: Scene) -> None:
    scene.room.portfolio.positions[TICKER].count += 1


def _forget_the_position(scene: Scene) -> None:
    scene.room.portfolio.positions.clear()


def _find_money(scene: Scene) -> None:
    scene.room.portfolio.cash += 1


def _free_money(scene: Scene) -> None:
    scene.room.portfolio.free -= 1


def _forget_a_fee(scene: Scene) -> None:
    scene.room.portfolio.positions[TICKER].fees += 1


def _forget_an_order(scene: Scene) -> None:
    scene.room.portfolio.open.clear()


def _misremember_a_price(scene: Scene) -> None:
    next(iter(scene.room.portfolio.open.values())).price += 100


def _wonder_about_an_order(scene: Scene) -> None:
    scene.room.portfolio.open["x"] = SimpleNamespace(client_order_id="x", order_id=None, state=OrderState.UNKNOWN)


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (_miss_a_fill, "orders"),
        (_hold_one_more, "positions"),
        (_forget_the_position, "positions"),
        (_find_money, "cash"),
        (_free_money, "balance"),
        (_forget_a_fee, "fees"),
        (_forget_an_order, "orders"),
        (_misremember_a_price, "orders"),
        (_wonder_about_an_order, "orders"),
    ],
)
async def test_a_wrong_belief_is_told_and_breaks_the_run_once_it_lasts(
    scene: Scene, lie: Callable[[Scene], None], told: str, autojump_clock: MockClock
) -> None:
    scene.trade()
    scene.judge.step()
    lie(scene)
    assert (scene.judge.why_different() or "").startswith(f"{told}: ")
    await trio.sleep(EQUAL_S)
    scene.judge.step()
    await trio.sleep(RECOVERED_S + 0.1)

    with pytest.raises(Broken, match=f"nothing disturbs: {told}"):
        scene.judge.step()
    assert not scene.judge.is_alike


async def test_an_order_that_is_accepted_twice_is_told(scene: Scene, autojump_clock: MockClock) -> None:
    record = scene.trade()
    scene.house.floor.on_fact(OrderChanged(replace(record, order_id="another"), None))

    assert scene.told == ["rests was accepted twice"]


async def test_an_order_that_rests_beyond_its_size_is_told(scene: Scene, autojump_clock: MockClock) -> None:
    scene.house.order(US, "bid 11 @ 30", client_order_id="large")

    assert scene.told[0].startswith("large rests with 1100, and ")


@pytest.mark.parametrize("passes", ["market", "account"])
async def test_a_limit_that_is_passed_breaks_the_run(scene: Scene, passes: str, autojump_clock: MockClock) -> None:
    limits: Any = scene.judge.limits
    risk = limits._risk
    limits._risk = replace(risk, **{passes: replace(getattr(risk, passes), open_orders=0)})
    scene.trade()

    with pytest.raises(Broken, match=f"{passes} .*open_orders is 1"):
        scene.judge.step()


async def test_an_order_that_is_sent_twice_is_told(scene: Scene, autojump_clock: MockClock) -> None:
    scene.sends("one")
    scene.sends("one")

    assert scene.told == ["one was sent twice"]


async def test_an_order_that_nobody_wrote_down_first_is_told(scene: Scene, autojump_clock: MockClock) -> None:
    scene.sends("one", is_kept=False)

    assert scene.told == ["one goes on the wire, and the intent log does not hold it"]


async def test_an_order_while_trading_is_halted_is_told(scene: Scene, autojump_clock: MockClock) -> None:
    scene.latch.stand.mode = Mode.HALTED
    scene.sends("one")

    assert scene.told[0] == f"POST {ORDERS} while trading is halted"


async def test_orders_that_rest_after_a_halt_break_the_run_unless_something_hinders_it(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.trade()
    scene.latch.stand.mode = Mode.HALTED
    scene.judge.hindered_until_s = 20.0
    scene.judge.step()
    await trio.sleep(20.0 + SWEPT_S)
    scene.judge.step()
    await trio.sleep(0.1)

    with pytest.raises(Broken, match="1 orders rest"):
        scene.judge.step()


async def test_orders_that_rest_after_an_ordered_stop_break_the_run(scene: Scene, autojump_clock: MockClock) -> None:
    scene.trade()

    with pytest.raises(Broken, match="stopped in order, and 1 orders rest: rests"):
        scene.judge.check_over()


async def test_an_exchange_that_begins_anew_is_compared_from_there(scene: Scene, autojump_clock: MockClock) -> None:
    scene.trade()
    fresh = House()
    fresh.open(US)
    scene.judge.meet(cast("Exchange", fresh), US)
    assert scene.judge.why_different() is not None
    scene.room.portfolio = Believer(fresh)

    assert scene.judge.why_different() is None
