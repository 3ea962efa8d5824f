"""A halt at the gateway, without any engine: how soon the last order is gone, what goes on the wire after it, when it is over."""

import itertools
import random
from pathlib import Path

import httpx2
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tests.clients.order_house import House, MemoryLatch, door_of, house, venue
from tests.clients.test_order_gateway import befall
from traderv3.clients.order_sweep import OrderSweep
from traderv3.domain.execution import Accepted, Cancel, Rejected, Unknown, Written
from traderv3.domain.permission import Mode
from traderv3.exchange.faults import Faults
from traderv3.storage.intent_log import kept_groups

HALT_S = 0.25


async def halt(at: House) -> float:
    """Halt, and wait until nothing rests; the seconds it took."""
    began = trio.current_time()
    await at.latch.set(Mode.HALTED, by="a test", reason="to see")
    with trio.fail_after(60):
        while at.resting:  # noqa: ASYNC110 - the exchange tells nobody in here
            await trio.sleep(0.001)
    return trio.current_time() - began


async def until_swept(at: House) -> None:
    with trio.fail_after(120):
        while at.gateway.stats().swept_us is None:  # noqa: ASYNC110 - the product has no need of such an event
            await trio.sleep(0.01)


def creates_after(at: House, moment: float) -> list[str]:
    """New orders that came to the exchange later than what was on the wire at that moment."""
    late = moment + at.wire.latency_s
    return [
        asked
        for came, asked in at.wire.asked
        if came > late and (asked.startswith("POST /portfolio/events") or asked.endswith("/amend"))
    ]


async def test_a_halt_takes_everything_down_and_lets_nothing_up(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(*[at.create(price=1000 + 100 * n) for n in range(20)])
        at.broker.placed(at.ticker, "bid", "0.2000", "1.00")  # whoever made it
        moment = trio.current_time()
        took_s = await halt(at)
        (dropped,) = await at.submit(at.create())
        await until_swept(at)

        assert took_s < HALT_S
        assert isinstance(dropped, Written)
        assert dropped.why == "trading is halted by a test"
        assert creates_after(at, moment) == []
        assert at.gateway.is_clear()
        assert at.gateway.trouble is None


async def test_a_slow_venue_is_struck_as_soon(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(*[at.create(price=1000 + 100 * n) for n in range(5)])
        at.exchange.set_faults(Faults(slow_rest=20.0))
        moment = trio.current_time()
        took_s = await halt(at)
        trouble = at.gateway.trouble
        await trio.sleep(30)
        at.exchange.set_faults(Faults())
        await until_swept(at)

        assert took_s < HALT_S
        assert "the halt is not carried out yet" in (trouble or "")
        assert creates_after(at, moment) == []


async def test_what_was_on_its_way_goes_down_too(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.wire.latency_s = 0.2
        creates = [at.create(price=1000 + 100 * n) for n in range(3)]
        at.gateway.submit(creates[:1])
        await trio.sleep(0.1)
        at.gateway.submit(creates[1:])
        await trio.lowlevel.checkpoint()
        moment = trio.current_time()
        await at.latch.set(Mode.HALTED, by="a test", reason="to see")
        await until_swept(at)

        assert at.resting == []
        assert creates_after(at, moment) == []


async def test_an_order_that_nobody_knows_of_goes_down_too(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.wire.befall = befall("half", "POST", "/events/orders")
        (unknown,) = await at.submit(at.create())
        at.wire.befall = lambda _: None
        assert len(at.resting) == 1
        took_s = await halt(at)

        assert isinstance(unknown, Unknown)
        assert took_s < HALT_S


@pytest.mark.parametrize("fate", ["lost", "500", "302", "refused", "429", "garbled"])
async def test_a_halt_goes_on_until_the_venue_does_it(fate: str, autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create(), at.create(price=3100))
        chance = random.Random(fate)
        at.wire.befall = lambda request: fate if request.method != "GET" and chance.random() < 0.8 else None
        await halt(at)
        is_certain = at.gateway.stats().swept_us is not None
        at.wire.befall = lambda _: None
        await until_swept(at)

        assert at.resting == []
        assert not is_certain


async def test_old_reads_are_no_evidence(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        at.exchange.set_faults(Faults(stale_reads=8.0))
        began = trio.current_time()
        await halt(at)
        await until_swept(at)

        assert trio.current_time() - began > 8.0


async def test_a_halt_is_not_over_while_its_group_would_take_a_late_order(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        at.wire.befall = befall("500", "trigger")
        took_s = await halt(at)
        await trio.sleep(30)
        is_believed = at.gateway.is_clear()
        at.wire.befall = lambda _: None
        await until_swept(at)

        assert took_s < HALT_S
        assert not is_believed


@pytest.mark.parametrize(
    ("fate", "is_enough"), [("400", True), ("409", True), ("401", False), ("403", False), ("429", False)]
)
async def test_a_no_to_a_trigger_is_an_answer_and_the_reads_decide(
    fate: str, is_enough: bool, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        at.wire.befall = befall(fate, "trigger")
        await halt(at)
        await trio.sleep(20)

        assert at.gateway.is_clear() is is_enough


async def test_a_yes_is_no_evidence_before_a_newer_read_agrees(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await trio.sleep(10)
        at.exchange.set_faults(Faults(stale_reads=8.0))
        await at.submit(at.create())  # which no read lists for the next 8 s
        at.wire.befall = lambda request: "200" if request.method != "GET" else None
        await at.latch.set(Mode.HALTED, by="a test", reason="to see")
        await trio.sleep(6)
        is_believed_early = at.gateway.is_clear()
        await trio.sleep(12)
        is_believed = at.gateway.is_clear()
        at.wire.befall = lambda _: None
        await until_swept(at)

        assert not is_believed_early
        assert not is_believed
        assert at.resting == []


async def test_a_venue_that_is_away_is_struck_when_it_is_back(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        at.wire.befall = lambda _: "refused"
        await at.latch.set(Mode.HALTED, by="a test", reason="to see")
        await trio.sleep(60)
        trouble = at.gateway.trouble
        at.wire.befall = lambda _: None
        began = trio.current_time()
        while at.resting:  # noqa: ASYNC110 - the exchange tells nobody in here
            await trio.sleep(0.01)

        assert "not carried out" in (trouble or "")
        assert trio.current_time() - began < 15  # reads rest behind their breaker, strikes do not


async def test_a_halt_survives_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    at_first, latch = venue(), MemoryLatch()
    async with house(tmp_path, at_first) as at:
        await at.submit(at.create())
        (group_id, _), *_ = at.intents.groups
    await latch.set(Mode.HALTED, by="a person", reason="before the start")
    async with house(tmp_path, at_first, latch=latch, is_ready=False) as at:
        await until_swept(at)
        (dropped,) = await at.submit(at.create())
        late = at.broker.order(at.ticker, "bid", "0.3000", "1.00", order_group_id=group_id)

        assert at.resting == []
        assert isinstance(dropped, Written)
        assert late[0] == 400


async def test_who_lifts_the_halt_gets_new_groups(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        await halt(at)
        await at.latch.set(Mode.ACTIVE, by="a person", reason="go on")
        await trio.sleep(1)
        await at.until_ready()
        (accepted,) = await at.submit(at.create())

        assert isinstance(accepted, Accepted)
        assert len(at.resting) == 1
        assert len(at.intents.groups) == 1
        assert at.gateway.trouble is None


@pytest.mark.parametrize("seed", range(10))
async def test_whoever_halts_and_lifts_in_haste_meets_no_triggered_group(
    seed: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """No order of ours names a group that a halt of ours triggered: its refusal would look like the venue's own word."""
    chance = random.Random(seed)
    async with house(tmp_path) as at:
        at.wire.latency_s = chance.choice([0.001, 0.05, 0.3])
        creates = []
        for _ in range(20):
            made = [at.create(price=chance.randrange(10, 40) * 100) for _ in range(chance.randrange(1, 3))]
            creates += made
            at.gateway.submit(made)
            await trio.sleep(chance.choice([0.0, 0.001, 0.01, 0.2]))
            if chance.random() < 0.4:
                await at.latch.set(Mode.HALTED, by="a test", reason="to see")
                await trio.sleep(chance.choice([0.0, 0.001, 0.05, 0.5, 3.0]))
                await at.latch.set(Mode.ACTIVE, by="a test", reason="go on")
        outcomes = await at.outcomes(creates)

        assert [outcome for outcome in outcomes if isinstance(outcome, Rejected | Unknown)] == []


async def test_a_process_of_its_own_can_carry_out_a_halt(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create(), at.create(price=3100))
        at.crash()  # the trader stands still
        other = door_of(at.wire, at.broker, at.exchange.now_us)
        orders = other.open_orders(is_enabled=True, armed_key_id=None)
        groups = kept_groups(tmp_path / "intents.jsonl")
        sweep = OrderSweep(orders, other.rest, groups=lambda: groups)
        with trio.fail_after(10):
            await sweep.run()
        late = at.broker.order(at.ticker, "bid", "0.3000", "1.00", order_group_id=groups[0][0])

        assert at.resting == []
        assert sweep.trouble is None
        assert late[0] == 400  # the group was triggered


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_a_halt_holds(seed: int, autojump_clock: MockClock, tmp_path: Path) -> None:
    """Orders, cancels and faults at random; then a halt at a random moment."""
    chance = random.Random(seed)
    fates = ["lost", "half", "slow", "garbled", "500", "302", "429", "refused"]
    async with house(tmp_path, tier=chance.choice(["basic", "unlimited"])) as at:
        share = chance.choice([0.0, 0.2, 0.6])

        def befalls(request: httpx2.Request) -> str | None:
            return chance.choice(fates) if chance.random() < share else None

        at.wire.befall = befalls
        at.wire.latency_s = chance.choice([0.001, 0.05, 0.4])
        at.exchange.set_faults(Faults(stale_reads=chance.choice([0.0, 3.0]), slow_rest=chance.choice([0.0, 1.0])))
        halted_at = trio.current_time() + chance.uniform(0.1, 4.0)
        for n in itertools.count():
            await trio.sleep(chance.expovariate(5.0))
            if trio.current_time() >= halted_at:
                break
            at.gateway.submit([at.create(price=1000 + 100 * (n % 50)) for _ in range(chance.randrange(1, 4))])
            if at.resting and chance.random() < 0.3:
                order = chance.choice(at.resting)
                at.gateway.submit([Cancel(order.client_order_id, order.order_id, order.ticker)])
        moment = trio.current_time()
        await at.latch.set(Mode.HALTED, by="a test", reason="to see")
        at.gateway.submit([at.create() for _ in range(3)])
        await trio.sleep(5)
        at.wire.befall = lambda _: None
        at.exchange.set_faults(Faults())
        await until_swept(at)
        portfolio = at.exchange.replica.portfolio(at.broker.member.user_id, now_us=at.exchange.now_us())
        ids = [order.client_order_id for order in portfolio.orders.values()]
        log = (tmp_path / "intents.jsonl").read_text()

        assert at.resting == []
        assert creates_after(at, moment) == []
        assert len(ids) == len(set(ids))
        assert all(client_order_id in log for client_order_id in ids)
        assert at.gateway.is_clear()
        last = {id(answer.request): answer.outcome for answer in at.answers}
        assert not any(outcome == Written() for outcome in last.values())
