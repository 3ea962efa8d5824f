"""The room in which everything that trades is put together: who carries orders where, and what is heard of it."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from traderv3.clients.door import Door
from traderv3.config.environment import Environment
from traderv3.config.markets import AutoMarkets
from traderv3.config.secret import Secret
from traderv3.config.settings import Settings
from traderv3.core.event_bus import EventBus
from traderv3.core.supervision import ChildSpec
from traderv3.domain.feed import Feed, Link
from traderv3.domain.market_facts import OrderGroupUpdate
from traderv3.domain.permission import Mode
from traderv3.domain.tape import NO_TAPE
from traderv3.execution_room import ExecutionRoom
from traderv3.storage.write_queue import on_the_spot
from traderv3.trading.latch import TradingLatch


def settings(environment: Environment, folder: Path) -> Settings:
    return Settings(
        environment=environment,
        api=None,
        ws=None,
        credentials=None,
        host="127.0.0.1",
        port=0,
        markets=AutoMarkets(),
        log_level="info",
        data_dir=folder,
        database_url=Secret(""),
        connections=None,
        control_token=None,
        dev_origin=None,
        strategy="hold",
        enable_trading=True,
        arm_production=None,
    )


def no_door() -> Door:
    raise AssertionError("nobody asked for the way to the venue")


def room(environment: Environment, folder: Path, door: Callable[[], Door] = no_door) -> ExecutionRoom:
    return ExecutionRoom(
        settings(environment, folder),
        Feed(),
        EventBus(),
        door=door,
        latch=TradingLatch(None, wall_us=lambda: 0),
        blocking=on_the_spot,
        record=lambda _: None,
        tape=NO_TAPE,
        cross_check=lambda: None,
        clock_offset_us=lambda: None,
        tell=lambda _: None,
        wall_us=lambda: int(trio.current_time() * 1e6),
        rng=random.Random(1),
    )


def actors(made: ExecutionRoom) -> list[str]:
    return [child.name for child in made.spec(heartbeat_s=30).children if isinstance(child, ChildSpec)]


async def test_where_orders_leave_the_process_a_gateway_carries_them(autojump_clock: MockClock, tmp_path: Path) -> None:
    made = room(Environment.SIM, tmp_path)
    made.engine.step()

    assert actors(made) == ["market_terms", "day_book", "account_connector", "order_gateway", "engine", "state_sync"]
    assert made.shadow is None
    assert made.facts().why == "the account is not heard: not tried yet"
    assert made.report().stage == "waiting"


async def test_in_local_nothing_that_could_send_an_order_is_even_made(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    made = room(Environment.LOCAL, tmp_path)
    made.engine.step()

    assert actors(made) == ["market_terms", "day_book", "shadow_venue", "engine", "state_sync"]
    assert made.gateway is None
    assert made.facts().may_trade
    assert made.open_orders == 0


async def test_the_account_is_heard_as_long_as_its_connection_is_up(autojump_clock: MockClock, tmp_path: Path) -> None:
    made = room(Environment.SIM, tmp_path)
    made.engine.step()
    line = made.engine.feed.line("account_connector")
    line.link = Link.CONNECTED
    up = made.facts()
    line.link, line.reason = Link.DISCONNECTED, "cut"
    down = made.facts()

    assert up.may_trade
    assert (down.may_trade, down.why) == (False, "the account is not heard: cut")


async def test_a_halt_reaches_whoever_carries_orders_and_a_resume_the_day(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = room(Environment.SIM, tmp_path)
    heard: list[str] = []
    assert made.gateway is not None
    monkeypatch.setattr(made.gateway, "on_latch", lambda stand: heard.append(f"gateway {stand.mode}"))
    monkeypatch.setattr(made.day, "lift", lambda _: heard.append("day lifted"))
    latch = made.engine.latch
    for mode in (Mode.HALTED, Mode.ACTIVE):
        made.on_latch(await latch.set(mode, by="test", reason=""))

    assert heard == ["gateway halted", "gateway active", "day lifted"]


async def test_word_of_an_order_group_that_is_not_ours_any_more_halts_nobody(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    made = room(Environment.SIM, tmp_path)
    made._on_account(
        OrderGroupUpdate(order_group_id="past", event_type="triggered", limit=None, at_us=0, received_us=0)
    )

    assert len(made.inbox) == 0
