"""A connection that is cut exactly at a step of the protocol: the trader comes back, live and equal, whichever it was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from traderv3.simulation.network import TO_EXCHANGE, TO_TRADER, Connection, Pipe
from traderv3.simulation.plan import draw_plan
from traderv3.simulation.story import verdict
from traderv3.simulation.world import simulate

QUIET = replace(draw_plan(25), venture=None, quiet_s=30.0)  # a world without faults of its own
TEXT, PING = 0x81, 0x89  # how a whole frame begins


class Step(NamedTuple):
    """`is_it` knows the bytes by which the step is made; so much of them still arrives."""

    direction: str
    is_it: Callable[[bytes], bool]
    share: float = 1.0


STEPS = {
    "connected": Step(TO_EXCHANGE, lambda data: data.startswith(b"GET "), 0.0),
    "upgrade half sent": Step(TO_EXCHANGE, lambda data: data.startswith(b"GET "), 0.5),
    "upgrade sent": Step(TO_EXCHANGE, lambda data: data.startswith(b"GET ")),
    "upgrade answered": Step(TO_TRADER, lambda data: data.startswith(b"HTTP/1.1 101")),
    "subscribe sent": Step(TO_EXCHANGE, lambda data: data[0] == TEXT),
    "subscribed heard": Step(TO_TRADER, lambda data: b'"subscribed"' in data),
    "snapshot half read": Step(TO_TRADER, lambda data: b'"orderbook_snapshot"' in data, 0.5),
    "snapshot read": Step(TO_TRADER, lambda data: b'"orderbook_snapshot"' in data),
    "delta half read": Step(TO_TRADER, lambda data: b'"orderbook_delta"' in data, 0.5),
    "delta read": Step(TO_TRADER, lambda data: b'"orderbook_delta"' in data),
    "ping heard": Step(TO_TRADER, lambda data: data[0] == PING),
}


OF_BOOKS = ("snapshot half read", "snapshot read", "delta half read", "delta read")


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        *(("orderbook_connector", name) for name in STEPS),
        *(("channel_connector", name) for name in STEPS if name not in OF_BOOKS),
    ],
)
def test_a_connection_that_is_cut_at_a_step_ends_live_and_equal(
    actor: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, made = STEPS[name], list[Connection]()
    cuts: list[Connection] = []
    honest_init, honest_send = Connection.__init__, Pipe.send

    def init(self: Connection, number: int, of_actor: str, *args: Any) -> None:
        honest_init(self, number, of_actor, *args)
        if of_actor == actor:
            made.append(self)

    async def send(self: Pipe, data: bytes) -> None:
        await honest_send(self, data)
        connection = next((each for each in made if each.pipes[step.direction] is self), None)
        if connection is None or cuts or not data or not step.is_it(data):
            return
        cuts.append(connection)
        if step.share == 0.0:
            connection.reset("cut")
        else:
            self.cut_in = self._size - len(data) + max(1, round(len(data) * step.share))

    monkeypatch.setattr(Connection, "__init__", init)
    monkeypatch.setattr(Pipe, "send", send)
    outcome = simulate(QUIET)

    assert outcome.broken is None, verdict(outcome)
    assert cuts
    assert cuts[0].is_reset
    assert made[-1] is not cuts[0], "there was no other connection after it"
