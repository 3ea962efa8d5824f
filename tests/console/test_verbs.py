"""What each command needs typed, what it does, and what it refuses."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.console.making import NOW_US
from traderv3.console.commands import Audited, CommandGate, CommandRequest
from traderv3.console.messages import CommandResult
from traderv3.console.verbs import Powers, make_commands
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.feed import Feed, Link
from traderv3.domain.permission import Latch, Mode, NotKept, Stand
from traderv3.trading.latch import TradingLatch


class BrokenLatch:
    """A latch whose disk refuses."""

    stand = Stand(Mode.ACTIVE, NOW_US, "start", "")
    why = "halted holds until a restart, but could not be kept"

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        await trio.lowlevel.checkpoint()
        raise NotKept(self.why)


class World:
    """A gate over a small trader."""

    def __init__(self, *, can_act: bool = True, latch: Latch | None = None) -> None:
        self.feed = Feed()
        self.feed.watch(["KX-A", "KX-B", "KX-C"])
        for ticker in ("KX-A", "KX-B"):
            self.feed.books[ticker].replace([(1, 1)], [])
        self.feed.line("orderbook_connector").link = Link.CONNECTED
        self.latch = latch or TradingLatch(None, wall_us=lambda: NOW_US)
        self.killed: list[str] = []
        self.told: list[CommandResult] = []
        self.audited: list[Audited] = []
        self.open_orders: list[int] = []  # what is answered, one after the other; then 0
        self.carries = True
        self.waits: list[str | None] = []  # what a halt waits for, one after the other; then for nothing
        self.withdrawn: list[str] = []
        self.kill_file: str | None = None
        powers = Powers(
            "sim",
            self.feed,
            self.latch,
            self.kill if can_act else None,
            self.count,
            self.wait_for,
            self.withdraw_all,
            lambda: self.kill_file,
        )
        commands = make_commands(powers)
        self.gate = CommandGate(
            commands, "t", wall_us=lambda: NOW_US, tell=self.told.append, audit=self.audited.append, mask=dict
        )

    def kill(self, name: str) -> bool:
        self.killed.append(name)
        return name != "nobody"

    def count(self) -> int | None:
        if not self.carries:
            return None
        return self.open_orders.pop(0) if self.open_orders else 0

    def wait_for(self) -> str | None:
        return self.waits.pop(0) if self.waits else None

    def withdraw_all(self, why: str) -> Callable[[], int] | None:
        self.withdrawn.append(why)
        return self.left if self.carries else None

    def left(self) -> int:
        return self.open_orders.pop(0) if self.open_orders else 0

    async def ask(self, verb: str, confirm: str, **args: object) -> CommandResult:
        request = CommandRequest(id="7", name=verb, args=args, confirm=confirm, token="t")
        result = await self.gate.carry_out(request, who="console c1")
        assert self.told[-1] == result
        assert (self.audited[-1].command, self.audited[-1].is_done) == (verb, result.ok)
        return result


@pytest.mark.parametrize(
    ("verb", "confirm", "mode", "said"),
    [
        ("pause", "PAUSE SIM", Mode.REDUCING, "no new exposure"),
        ("halt", "HALT SIM", Mode.HALTED, "cancelled 0 of 0 orders"),
        ("resume", "RESUME SIM", Mode.ACTIVE, "trading may go on"),
    ],
)
async def test_the_latch_is_moved_with_who_and_why(verb: str, confirm: str, mode: Mode, said: str) -> None:
    world = World()
    result = await world.ask(verb, confirm, reason="I do not like it")

    assert result.ok
    assert said in result.reason
    assert world.latch.stand == Stand(mode, NOW_US, "console c1", "I do not like it")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([3, 3, 1, 0, 0], "trading is halted; cancelled 3 of 3 orders"),
        ([2, *[1] * 1_000], "cancelled 1 of 2 orders; 1 may still rest, and are cancelled until none does"),
        ([0, 1, 0, 0], "cancelled 0 of 0 orders"),
    ],
)
async def test_a_halt_says_what_became_of_the_orders(counts: list[int], said: str, autojump_clock: MockClock) -> None:
    world = World()
    world.open_orders = counts
    result = await world.ask("halt", "HALT SIM")

    assert result.ok
    assert said in result.reason
    assert trio.current_time() < 2.0


async def test_a_halt_claims_nothing_without_the_venues_word(autojump_clock: MockClock) -> None:
    world = World()
    world.waits = ["the venue's reads are not new enough yet"] * 1_000
    result = await world.ask("halt", "HALT SIM")

    assert result.ok
    assert result.reason == (
        "trading is halted; cancelled 0 of 0 orders as far as is known; "
        "the venue's own word is waited for (the venue's reads are not new enough yet)"
    )
    assert trio.current_time() < 4.0


async def test_a_halt_waits_a_little_for_the_venues_word(autojump_clock: MockClock) -> None:
    world = World()
    world.waits = ["its reads are old"] * 50
    result = await world.ask("halt", "HALT SIM")

    assert result.reason == "trading is halted; cancelled 0 of 0 orders"


async def test_a_trader_that_carries_no_orders_says_so() -> None:
    world = World()
    world.carries = False
    result = await world.ask("halt", "HALT SIM")

    assert result.ok
    assert result.reason == "trading is halted; this trader carries no orders and cancels none"
    assert world.latch.stand.mode is Mode.HALTED


@pytest.mark.parametrize("typed", ["", "halt sim", "HALT PAPER", "HALT", "RESUME SIM"])
async def test_only_the_verb_and_the_environment_halt(typed: str) -> None:
    world = World()
    result = await world.ask("halt", typed)

    assert (result.ok, result.reason) == (False, "type HALT SIM to confirm")
    assert world.latch.stand.mode is Mode.ACTIVE


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([0], "no order of ours rests; the strategy goes on and may quote again"),
        ([3, 3, 1, 0], "3 of 3 orders are over; the strategy goes on and may quote again"),
        (
            [2, *[1] * 1_000],
            "1 of 2 orders are over; 1 may still rest, and are cancelled as soon as the engine knows that they rest; "
            "a halt waits for no engine; the strategy goes on and may quote again",
        ),
    ],
)
async def test_cancel_all_counts_what_rested_and_leaves_the_latch_alone(
    counts: list[int], said: str, autojump_clock: MockClock
) -> None:
    world = World()
    world.open_orders = counts
    result = await world.ask("cancel_all", "CANCEL ALL SIM", reason="news")

    assert (result.ok, result.reason) == (True, said)
    assert world.withdrawn == ["console c1 cancels all: news"]
    assert world.latch.stand.mode is Mode.ACTIVE
    assert trio.current_time() < 2.0


async def test_cancel_all_is_refused_where_nobody_carries_orders() -> None:
    world = World()
    world.carries = False
    result = await world.ask("cancel_all", "CANCEL ALL SIM")

    assert (result.ok, result.reason) == (False, "this trader carries no orders and cancels none")


@pytest.mark.parametrize("typed", ["", "CANCEL ALL", "cancel all sim", "CANCEL_ALL SIM", "CANCEL ALL PAPER"])
async def test_cancel_all_wants_its_words_typed(typed: str) -> None:
    world = World()
    result = await world.ask("cancel_all", typed)

    assert (result.ok, result.reason) == (False, "type CANCEL ALL SIM to confirm")
    assert world.withdrawn == []


async def test_while_the_kill_file_is_there_a_resume_is_refused(autojump_clock: MockClock) -> None:
    world = World()
    await world.ask("halt", "HALT SIM")
    world.kill_file = "data/sim/HALT is there; remove it before `resume`"
    refused = await world.ask("resume", "RESUME SIM")
    world.kill_file = None

    assert not refused.ok
    assert "data/sim/HALT is there" in (refused.reason or "")
    assert world.latch.stand.mode is Mode.HALTED
    assert (await world.ask("resume", "RESUME SIM")).ok


async def test_a_pause_does_not_lift_a_halt(autojump_clock: MockClock) -> None:
    world = World()
    await world.ask("halt", "HALT SIM", reason="odd fills")
    refused = await world.ask("pause", "PAUSE SIM")

    assert not refused.ok
    assert "odd fills; only `resume` lifts a halt" in (refused.reason or "")
    assert world.latch.stand.mode is Mode.HALTED


async def test_a_latch_that_could_not_be_kept_is_a_refusal_that_says_what_holds() -> None:
    world = World(latch=BrokenLatch())
    result = await world.ask("halt", "HALT SIM")

    assert (result.ok, result.reason) == (False, BrokenLatch.why)


async def test_a_resync_asks_for_one_book_or_all_that_are_live() -> None:
    world = World()
    one = await world.ask("resync", "KX-A", ticker="KX-A")
    every = await world.ask("resync", "ALL")

    assert (one.reason, every.reason) == ("1 of 1 books are asked for again", "1 of 3 books are asked for again")
    assert set(world.feed.suspects) == {"KX-A", "KX-B"}


async def test_a_reconnect_ends_the_connection_once() -> None:
    world = World()
    result = await world.ask("reconnect", "orderbook_connector", connection="orderbook_connector")

    assert result.ok
    with pytest.raises(ConnectivityError, match="console c1"):
        world.feed.check_renewal("orderbook_connector")
    world.feed.check_renewal("orderbook_connector")


async def test_an_actor_is_ended() -> None:
    world = World()

    assert (await world.ask("restart_actor", "discovery", name="discovery")).ok
    assert world.killed == ["discovery"]


@pytest.mark.parametrize(
    ("name", "confirm", "args", "said"),
    [
        ("resync", "KX-Z", {"ticker": "KX-Z"}, "no market 'KX-Z' is watched"),
        ("resync", "KX-C", {"ticker": "KX-C"}, "none of 1 books is live"),
        ("resync", "ALL", {"ticker": "KX-A"}, "type KX-A to confirm"),
        ("resync", "ALL", {"ticker": 5}, "the argument 'ticker' is missing"),
        ("reconnect", "x", {"connection": "x"}, "no connection 'x' is up"),
        ("reconnect", "", {}, "the argument 'connection' is missing"),
        ("restart_actor", "nobody", {"name": "nobody"}, "no actor 'nobody' is running"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_reason(
    name: str, confirm: str, args: dict[str, Any], said: str
) -> None:
    result = await World().ask(name, confirm, **args)

    assert not result.ok
    assert said in result.reason


async def test_in_a_replay_there_is_nothing_to_act_on(autojump_clock: MockClock) -> None:
    result = await World(can_act=False).ask("halt", "HALT SIM")

    assert (result.ok, result.reason) == (False, "unknown command 'halt'; known: none")
