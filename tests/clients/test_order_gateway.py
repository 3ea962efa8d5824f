"""The gateway before the real exchange: what becomes of a request, whatever becomes of its answer or of the disk."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tests.clients.order_house import House, house, venue
from traderv3.clients.account_reads import AccountReader
from traderv3.clients.gateway_account import OUTCOMES_MIN
from traderv3.clients.order_gateway import STALE_US
from traderv3.config.limits import LIMITS
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import (
    Accepted,
    Amend,
    Cancel,
    CancelAll,
    Create,
    Decrease,
    Outcome,
    Rejected,
    Unknown,
    Written,
)
from traderv3.domain.market_facts import OrderGroupUpdate, UserOrder
from traderv3.domain.orders import Approved, Change, TimeInForce
from traderv3.domain.permission import Mode
from traderv3.domain.units import CONTRACT, Price, Qty
from traderv3.exchange.faults import Faults
from traderv3.storage.intent_log import IntentFile


def befall(fate: str, *words: str) -> Callable[[httpx2.Request], str | None]:
    """This fate for requests whose method and path hold all of `words`."""

    def befalls(request: httpx2.Request) -> str | None:
        return fate if all(word in f"{request.method} {request.url.path}" for word in words) else None

    return befalls


def at_venue(at: House, create: Create) -> int:
    """How many orders the venue ever had under this id."""
    orders = at.exchange.replica.portfolio(at.broker.member.user_id, now_us=at.exchange.now_us()).orders.values()
    return sum(order.client_order_id == create.client_order_id for order in orders)


def kept(folder: Path) -> bytes:
    return (folder / "intents.jsonl").read_bytes()


async def test_an_order_is_written_accepted_and_cancelled(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        (created,) = await at.submit(create)
        (order,) = at.resting
        (cancelled,) = await at.submit(at.cancel_of(create))

        assert isinstance(created, Accepted)
        assert (created.order_id, created.filled, created.remaining) == (order.order_id, 0, 1000)
        assert isinstance(cancelled, Accepted)
        assert at.resting == []
        assert at.answers[0].outcome == Written()
        assert at.gateway.is_clear()
        assert at.gateway.open_orders == 0


async def test_orders_that_wait_together_go_together_and_fare_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        creates = [at.create(price=3000 + 100 * n) for n in range(3)] + [at.create(price=3001), at.create(count=10**8)]
        outcomes = await at.submit(*creates)
        writes = [asked for _, asked in at.wire.asked if asked.startswith("POST /portfolio/events")]
        cancelled = await at.submit(*[at.cancel_of(create) for create in creates[:3]])

        assert writes == ["POST /portfolio/events/orders/batched"]
        assert [type(outcome) for outcome in outcomes] == [Accepted, Accepted, Accepted, Rejected, Rejected]
        assert [outcome.code for outcome in outcomes if isinstance(outcome, Rejected)] == [
            "invalid_price",
            "insufficient_balance",
        ]
        assert all(isinstance(outcome, Accepted) for outcome in cancelled)
        assert at.wire.asked[-1][1] == "DELETE /portfolio/events/orders/batched"
        assert at.resting == []


async def test_an_order_can_be_changed_both_ways(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        order_id = at.cancel_of(create).order_id
        change = Change(client_order_id=create.client_order_id, price=Price(3500), count=Qty(2000))
        amend = Amend(order_id, at.ticker, True, Qty(2000), Approved(change, at.exchange.now_us()))
        (amended,) = await at.submit(amend)
        (decreased,) = await at.submit(Decrease(create.client_order_id, order_id, at.ticker, Qty(500)))

        assert isinstance(amended, Accepted)
        assert amended.remaining == 2000
        assert isinstance(decreased, Accepted)
        assert decreased.remaining == 500
        (order,) = at.resting
        assert (order.price, order.remaining) == (3500, 500)


async def test_whatever_the_order_asks_for_reaches_the_venue(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.other.placed(at.ticker, "ask", "0.6000", "8.00")
        crossing, killed, taken = await at.submit(
            at.create(price=6000, is_post_only=True),
            at.create(price=6000, time_in_force=TimeInForce.FOK),
            at.create(price=6000, time_in_force=TimeInForce.IOC),
        )
        at.other.placed(at.ticker, "bid", "0.2000", "9.00")
        reducing = at.create(price=2000, is_bid=False, time_in_force=TimeInForce.IOC, is_reduce_only=True)
        (reduced,) = await at.submit(reducing)
        await at.submit(at.create(ttl_s=5.0))
        (order,) = at.resting
        await trio.sleep(7.5)

        assert isinstance(crossing, Rejected)
        assert crossing.code == "invalid_order"
        assert isinstance(killed, Rejected)
        assert killed.code == "fill_or_kill_insufficient_resting_volume"
        assert isinstance(taken, Accepted)
        assert (taken.filled, taken.remaining) == (800, 0)
        assert isinstance(reduced, Accepted)
        assert (reduced.filled, reduced.remaining) == (800, 0)
        assert order.is_cancelled_on_pause
        assert at.resting == []  # the venue ended it by itself


# -- what becomes of answers -----------------------------------------------------------------------------------------

ORDER = ("POST", "/events/orders")
FATES = {
    "refused": (Unknown, 0),
    "lost": (Unknown, 0),
    "half": (Unknown, 1),
    "slow": (Unknown, 1),
    "garbled": (Unknown, 1),
    "500": (Unknown, 0),
    "302": (Unknown, 0),
    "429": (Rejected, 0),
}


@pytest.mark.parametrize(("fate", "expected"), FATES.items())
@pytest.mark.parametrize("many", [1, 3])
async def test_without_an_answer_to_believe_nobody_knows(
    fate: str, expected: tuple[type[Outcome], int], many: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    kind, orders = expected
    async with house(tmp_path) as at:
        at.wire.befall = befall(fate, *ORDER)
        creates = [at.create() for _ in range(many)]
        began = trio.current_time()
        outcomes = await at.submit(*creates)

        assert {type(outcome) for outcome in outcomes} == {kind}
        assert trio.current_time() - began <= LIMITS.order_s + 0.1
        assert [at_venue(at, create) for create in creates] == [orders] * many
        assert at.gateway.is_clear()


@pytest.mark.parametrize("fate", ["lost", "half", "slow", "garbled", "500", "302"])
async def test_a_cancel_without_an_answer_is_unknown_too(fate: str, autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        at.wire.befall = befall(fate, "DELETE")
        (outcome,) = await at.submit(at.cancel_of(create))

        assert isinstance(outcome, Unknown)


async def test_a_404_proves_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        cancel = at.cancel_of(create)
        at.broker.cancel(cancel.order_id)
        change = Change(client_order_id=create.client_order_id, price=Price(3500), count=Qty(2000))
        outcomes = await at.submit(
            cancel,
            Decrease(create.client_order_id, cancel.order_id, at.ticker, Qty(5)),
            Amend(cancel.order_id, at.ticker, True, Qty(2000), Approved(change, at.exchange.now_us())),
            Cancel("x", "no-such-order", at.ticker),
        )

        assert [type(outcome) for outcome in outcomes] == [Unknown] * 4


async def test_an_id_that_the_venue_has_already_may_be_our_own_first_try(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        again = Create(create.client_order_id, create.order)
        (outcome,) = await at.submit(again)
        in_a_batch = await at.submit(Create(create.client_order_id, create.order), at.create())

        assert isinstance(outcome, Unknown)
        assert [type(outcome) for outcome in in_a_batch] == [Unknown, Accepted]
        assert at_venue(at, create) == 1


async def test_no_request_is_ever_sent_twice(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.wire.befall = befall("half", *ORDER)
        before = len(at.wire.asked)
        await at.submit(at.create())
        await trio.sleep(30)

        assert [asked for _, asked in at.wire.asked[before:]] == ["POST /portfolio/events/orders"]


# -- the disk --------------------------------------------------------------------------------------------------------


async def test_the_intent_is_on_the_disk_before_it_is_on_the_wire(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        seen: list[bool] = []
        create = at.create()
        at.wire.befall = lambda _: seen.append(create.client_order_id.encode() in kept(tmp_path))
        await at.submit(create)
        cancel = at.cancel_of(create)
        at.wire.befall = lambda _: seen.append(cancel.order_id.encode() in kept(tmp_path))
        await at.submit(cancel)

        assert seen == [True, True]


async def test_without_a_disk_no_order_goes_and_every_cancel(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        full = OSError(errno.ENOSPC, "No space left on device")

        def refuse(_: bytes) -> None:
            raise full

        monkeypatch.setattr(at.intents._disk, "append", refuse)
        before = len(at.wire.asked)
        (dropped,) = await at.submit(at.create())
        (cancelled,) = await at.submit(at.cancel_of(create))
        trouble = at.gateway.trouble
        monkeypatch.undo()
        (accepted,) = await at.submit(at.create())

        assert isinstance(dropped, Written)
        assert "No space" in (dropped.why or "")
        assert isinstance(cancelled, Accepted)
        assert [asked.split()[0] for _, asked in at.wire.asked[before:]] == ["DELETE", "POST"]
        assert "intent log cannot be written" in (trouble or "")
        assert isinstance(accepted, Accepted)
        assert at.gateway.trouble is None


async def test_a_disk_that_is_well_again_is_no_trouble_though_nobody_writes(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:

        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("traderv3.core.disk.write_all", refuse)
        await at.submit(at.create())
        await trio.sleep(3)
        during = at.gateway.trouble
        monkeypatch.undo()
        await trio.sleep(1.5)

        assert "intent log cannot be written" in (during or "")
        assert at.gateway.trouble is None


async def test_a_disk_that_hangs_holds_up_no_cancel(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        await at.submit(create)
        hanging = trio.Event()

        async def hang(work: Callable[[], Any]) -> Any:
            await hanging.wait()
            return work()

        monkeypatch.setattr(at.intents, "_blocking", hang)
        waiting = at.create()
        at.gateway.submit([waiting])
        began = trio.current_time()
        (cancelled,) = await at.submit(at.cancel_of(create))
        took_s = trio.current_time() - began
        await trio.sleep(STALE_US / 1e6 + 1)
        hanging.set()
        (dropped,) = await at.outcomes([waiting])

        assert isinstance(cancelled, Accepted)
        assert took_s < 0.1
        assert isinstance(dropped, Written)
        assert "approved" in (dropped.why or "")
        assert at_venue(at, waiting) == 0


# -- lanes, tokens, groups ---------------------------------------------------------------------------------------------


async def test_new_orders_leave_tokens_for_cancels(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path, tier="basic") as at:
        creates = [at.create(price=1000 + 100 * n) for n in range(30)]
        outcomes = await at.submit(*creates)
        began = trio.current_time()
        cancelled = await at.submit(*[at.cancel_of(create) for create in creates if at_venue(at, create)])

        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        assert 8 <= len(accepted) <= 20
        assert all(isinstance(outcome, Written) for outcome in outcomes if not isinstance(outcome, Accepted))
        assert all(isinstance(outcome, Accepted) for outcome in cancelled)
        assert trio.current_time() - began < 1.0


async def test_more_than_may_wait_is_dropped_and_said(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        creates = [at.create() for _ in range(300)]
        outcomes = await at.submit(*creates)

        dropped = [outcome for outcome in outcomes if isinstance(outcome, Written)]
        assert len(dropped) == 300 - 256
        assert sum(at_venue(at, create) for create in creates) == 256


async def test_an_order_without_a_group_does_not_go(autojump_clock: MockClock, tmp_path: Path) -> None:
    at_first = venue()
    at_first.wire.befall = befall("500", "order_groups")
    async with house(tmp_path, at_first, is_ready=False) as at:
        await at.intents.start()
        (dropped,) = await at.submit(at.create())
        trouble = at.gateway.trouble
        at.wire.befall = lambda _: None
        await at.until_ready()
        (accepted,) = await at.submit(at.create())

        assert isinstance(dropped, Written)
        assert "order group" in (trouble or "")
        assert isinstance(accepted, Accepted)
        assert all(order.group_id for order in at.resting)


async def test_a_group_that_the_venue_lost_is_made_anew(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        (group_id, _), *_ = at.intents.groups
        at.exchange.desk.delete_group(at.broker.member.user_id, group_id)
        (rejected,) = await at.submit(at.create())
        await at.until_ready()
        (accepted,) = await at.submit(at.create())

        assert isinstance(rejected, Rejected)
        assert rejected.code == "not_found"
        assert isinstance(accepted, Accepted)
        assert [held for held, _ in at.intents.groups] != [group_id]


async def test_a_market_that_is_not_there_costs_no_group(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create())
        at.wire.befall = befall("404", "POST", "/events/orders")
        (rejected,) = await at.submit(at.create())
        await trio.sleep(1)
        at.wire.befall = lambda _: None
        (accepted,) = await at.submit(at.create())

        assert isinstance(rejected, Rejected)
        assert isinstance(accepted, Accepted)
        assert len(at.resting) == 2


async def test_many_refusals_are_an_alarm(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        for _ in range(OUTCOMES_MIN):
            await at.submit(at.create(price=3001))
        alarm = at.gateway.trouble
        await trio.sleep(61)

        assert alarm == "the venue refused 5 of the latest 5 orders (invalid_price: HTTP 400: invalid price)"
        assert at.gateway.trouble is None


async def test_cancel_all_ends_everything(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create(), at.create(price=3100))
        at.broker.placed(at.ticker, "bid", "0.2000", "1.00")
        (outcome,) = await at.submit(CancelAll("a test"))

        assert isinstance(outcome, Accepted)
        assert at.resting == []


# -- stops, crashes, restarts ----------------------------------------------------------------------------------------


async def test_a_stop_takes_down_what_rests(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        await at.submit(at.create(), at.create(price=3100))
        mine = at.broker.placed(at.ticker, "bid", "0.2000", "1.00")  # a person's own
        at.lifeline.stopping.set()
        await trio.sleep(0.1)
        at.gateway.submit([at.create()])

        assert [order.order_id for order in at.resting] == [mine]
        assert at.intents.groups == []


async def test_a_crash_answers_for_what_was_on_the_wire_and_keeps_the_rest(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    at_first = venue()
    async with house(tmp_path, at_first) as at:
        (resting,) = await at.submit(at.create())
    async with house(tmp_path, at_first) as at, trio.open_nursery() as nursery:
        await at.submit(at.create())
        at.wire.befall = befall("slow", *ORDER)
        under_way, waiting = at.create(price=3100), at.create(price=3200)
        at.gateway.submit([under_way])
        await trio.sleep(0.1)
        at.crash()
        await trio.lowlevel.checkpoint()
        (unknown,) = await at.outcomes([under_way])
        at.gateway.submit([waiting])
        at.wire.befall = lambda _: None
        nursery.start_soon(at.gateway.run, Lifeline())
        (accepted,) = await at.outcomes([waiting])
        nursery.cancel_scope.cancel()

        assert isinstance(resting, Accepted)
        assert isinstance(unknown, Unknown)
        assert isinstance(accepted, Accepted)
        assert len(at.resting) == 3  # of this process; what rested of the first is cancelled


async def test_nothing_of_a_killed_process_stays_or_comes_late(autojump_clock: MockClock, tmp_path: Path) -> None:
    at_first = venue()
    async with house(tmp_path, at_first) as at:
        await at.submit(at.create())
        (group_id, _), *_ = at.intents.groups
        used = at.intents.next_id()
    async with house(tmp_path, at_first) as at:
        late = at.broker.order(at.ticker, "bid", "0.3000", "1.00", order_group_id=group_id)
        (accepted,) = await at.submit(at.create())

        assert isinstance(accepted, Accepted)
        assert len(at.resting) == 1
        assert late[0] == 404
        assert len(at.intents.open) == 1
        assert at.intents.next_id() != used


def order_of(at: House, create: Create, status: str) -> UserOrder:
    cancel = at.cancel_of(create)
    nothing: dict[str, Any] = dict.fromkeys(("taker_cost", "maker_cost", "taker_fees", "maker_fees"), 0)
    unsaid = ("order_group_id", "self_trade_prevention", "reason", "exchange_index", "subaccount")
    times = ("created_us", "expires_us", "at_us")
    return UserOrder(
        order_id=cancel.order_id,
        client_order_id=create.client_order_id,
        ticker=at.ticker,
        status=status,
        is_yes=True,
        yes_price=Price(3000),
        initial=Qty(10 * CONTRACT),
        filled=Qty(0),
        remaining=Qty(10 * CONTRACT),
        received_us=0,
        **nothing,
        **dict.fromkeys((*unsaid, *times)),  # type: ignore[arg-type]
    )


async def test_what_the_account_says_is_known_to_rest(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.wire.befall = befall("half", *ORDER)
        create = at.create()
        await at.submit(create)
        before = at.gateway.open_orders
        at.gateway.heed(order_of(at, create, "resting"))
        known = at.gateway.open_orders
        at.gateway.heed(order_of(at, create, "canceled"))

        assert (before, known, at.gateway.open_orders) == (0, 1, 0)


async def test_an_answer_slower_than_the_socket_brings_nothing_back(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        at.exchange.set_faults(Faults(fill_before_ack=1.0))
        create = at.create()
        at.gateway.submit([create])
        await trio.sleep(0.5)
        over = order_of(at, create, "canceled")
        at.broker.cancel(over.order_id)
        at.gateway.heed(over)
        (accepted,) = await at.outcomes([create])

        assert isinstance(accepted, Accepted)
        assert accepted.remaining
        assert at.gateway.open_orders == 0


async def test_a_group_that_the_venue_triggers_by_itself_stops_new_orders(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    def update(group_id: str) -> OrderGroupUpdate:
        return OrderGroupUpdate(order_group_id=group_id, event_type="triggered", limit=None, at_us=0, received_us=0)

    async with house(tmp_path) as at:
        (group_id, _), *_ = at.intents.groups
        at.gateway.heed(update("of another session"))
        (accepted,) = await at.submit(at.create())
        at.gateway.heed(update(group_id))
        (dropped,) = await at.submit(at.create())
        trouble = at.gateway.trouble
        await at.latch.set(Mode.HALTED, by="the venue", reason="more filled than the group allows")
        await trio.sleep(5)
        await at.latch.set(Mode.ACTIVE, by="a person", reason="go on")
        await trio.sleep(1)
        at.gateway.heed(update(group_id))  # late
        (again,) = await at.submit(at.create())

        assert isinstance(accepted, Accepted)
        assert isinstance(dropped, Written)
        assert "triggered" in (trouble or "")
        assert isinstance(again, Accepted)


async def test_a_disk_that_hangs_is_told_of(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:

        async def hang(_: Callable[[], Any]) -> Any:
            await trio.sleep_forever()

        await at.submit(at.create())
        monkeypatch.setattr(at.intents, "_blocking", hang)
        at.gateway.submit([at.create()])
        await trio.sleep(3)
        trouble = at.gateway.trouble
        await at.latch.set(Mode.HALTED, by="a test", reason="to see")
        await trio.sleep(5)

        assert "does not answer" in (trouble or "")
        assert at.resting == []
        assert at.gateway.stats().swept_us is not None


async def test_what_a_later_reading_does_not_list_rests_no_more(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        creates = [at.create(), at.create(price=3100)]
        await at.submit(*creates)
        gone = at.cancel_of(creates[0])
        at.broker.cancel(gone.order_id)  # and nobody told
        reader = AccountReader(lambda: at.door.rest, wall_us=at.exchange.now_us)
        at.gateway.heed_reading(await reader.snapshot(0))
        young = at.gateway.open_orders
        await trio.sleep(10)
        at.gateway.heed_reading(await reader.snapshot(0))

        assert young == 2  # the reading may be older than the order
        assert at.gateway.open_orders == 1


async def test_an_approval_does_not_outlive_a_move_of_the_latch(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:

        async def slow(work: Callable[[], Any]) -> Any:
            await trio.sleep(0.5)
            return work()

        monkeypatch.setattr(at.intents, "_blocking", slow)
        on_its_way, waiting = at.create(), at.create()
        at.gateway.submit([on_its_way])
        await trio.sleep(0.1)
        at.gateway.submit([waiting])
        await at.latch.set(Mode.REDUCING, by="a test", reason="to see")
        dropped = await at.outcomes([on_its_way, waiting])
        (accepted,) = await at.submit(at.create())

        assert {outcome.why for outcome in dropped if isinstance(outcome, Written)} == {
            "the trading latch moved after it was approved"
        }
        assert isinstance(accepted, Accepted)
        assert len(at.resting) == 1


async def test_a_clock_that_was_set_back_makes_no_old_approval_young(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        create = at.create()
        monkeypatch.setattr(at.gateway, "_wall_us", lambda: create.order.at_us - 3_600_000_000)
        (dropped,) = await at.submit(create)

        assert isinstance(dropped, Written)
        assert at.resting == []


async def test_a_full_disk_does_not_make_a_group_each_time(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IntentFile, "keep_group", refuse)
    async with house(tmp_path, is_ready=False) as at:
        await trio.sleep(60)
        trouble = at.gateway.trouble
        monkeypatch.undo()
        await at.until_ready()
        made = [asked for _, asked in at.wire.asked if asked == "POST /portfolio/order_groups/create"]

        assert "No space" in (trouble or "")
        assert len(made) == 1
