"""Orders through crashes of the gateway and kills of the process, with answers lost, late, doubled or garbled, by seed."""

import os
import random
from pathlib import Path

import httpx2
import pytest
import trio
from trio.testing import MockClock

from tests.clients.order_house import House, house, venue
from traderv3.core.lifeline import Lifeline
from traderv3.domain.execution import Accepted, Create, Rejected, Unknown, Written
from traderv3.exchange.faults import Faults
from traderv3.exchange.records import OrderRecord, OrderStatus

FATES = ("lost", "half", "slow", "garbled", "500", "302", "429", "refused")
SEEDS = 1000 if os.environ.get("V3_SOAK") else 10


def orders_ever(at: House) -> list[OrderRecord]:
    portfolio = at.exchange.replica.portfolio(at.broker.member.user_id, now_us=at.exchange.now_us())
    return list(portfolio.orders.values())


def check_answers(at: House) -> None:
    """What the gateway said of each create is what the exchange did, or that nobody knows."""
    by_id = {order.client_order_id: order for order in orders_ever(at)}
    last = {id(answer.request): answer for answer in at.answers}
    for answer in last.values():
        if not isinstance(answer.request, Create):
            continue
        order = by_id.get(answer.request.client_order_id)
        match answer.outcome:
            case Accepted(order_id, _, _, _):
                assert order is not None
                assert order.order_id == order_id
            case Rejected() | Written(is_dropped=True):
                assert order is None
            case Unknown():
                pass
            case Written():
                pytest.fail("a request that was written has no outcome")


async def live(at: House, chance: random.Random, nursery: trio.Nursery) -> None:
    """A while of one process."""
    for _ in range(chance.randrange(1, 12)):
        await trio.sleep(chance.expovariate(4.0))
        match chance.choice(["orders", "orders", "orders", "cancel", "crash"]):
            case "orders":
                at.gateway.submit(
                    [at.create(price=chance.randrange(10, 40) * 100) for _ in range(chance.randrange(1, 4))]
                )
            case "cancel" if at.resting:
                order = chance.choice(at.resting)
                made = [one.request for one in at.answers if isinstance(one.request, Create)]
                mine = [each for each in made if each.client_order_id == order.client_order_id]
                at.gateway.submit([at.cancel_of(each) for each in mine[:1]])
            case "crash":
                at.crash()
                await trio.sleep(chance.uniform(0, 1))
                at.crash = trio.CancelScope().cancel

                async def run() -> None:
                    with trio.CancelScope() as scope:
                        at.crash = scope.cancel
                        await at.gateway.run(Lifeline())

                nursery.start_soon(run)
            case _:
                pass


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_order_is_doubled_orphaned_or_misjudged(seed: int, autojump_clock: MockClock, tmp_path: Path) -> None:
    chance = random.Random(f"lives:{seed}")
    at_first = venue(tier=chance.choice(["basic", "unlimited"]))
    share = chance.choice([0.0, 0.1, 0.4])

    def befalls(_: httpx2.Request) -> str | None:
        return chance.choice(FATES) if chance.random() < share else None

    at_first.wire.befall = befalls
    at_first.wire.latency_s = chance.choice([0.001, 0.1])
    at_first.exchange.set_faults(Faults(slow_rest=chance.choice([0.0, 0.5])))
    for _ in range(chance.randrange(1, 4)):
        async with house(tmp_path, at_first, is_ready=False) as at, trio.open_nursery() as nursery:
            await at.intents.start()
            await live(at, chance, nursery)
            nursery.cancel_scope.cancel()
        check_answers(at)
    at_first.wire.befall = lambda _: None
    at_first.exchange.set_faults(Faults())
    async with house(tmp_path, at_first) as at:
        await trio.sleep(10)  # what was on its way has come
        (accepted,) = await at.submit(at.create())
        ids = [order.client_order_id for order in orders_ever(at)]

        assert isinstance(accepted, Accepted)
        assert [order.order_id for order in at.resting] == [accepted.order_id]
        assert len(ids) == len(set(ids))
        assert all(order.group_id for order in orders_ever(at))
        assert sum(order.status is OrderStatus.RESTING for order in orders_ever(at)) == 1
