"""The invariants of the whole trader are not easily pleased: a lie that is planted in a running trader ends the run."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from traderv3.core.mailbox import Mailbox
from traderv3.core.supervision import Backoff
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.domain.states import State
from traderv3.domain.units import Qty
from traderv3.simulation.plan import Fault, draw_plan
from traderv3.simulation.restless import Restless, RestlessParameters
from traderv3.simulation.venture import NO_STOP, PLENTY, Venture
from traderv3.simulation.world import simulate
from traderv3.telemetry import metrics_aggregator
from traderv3.trading.inbox import Inbox
from traderv3.trading.pilot import Pilot

QUIET = draw_plan(25)  # a world without faults of its own


def broken(*faults: Fault, venture: Venture | None = None, lasts_s: float = 60.0) -> str:
    """What breaks in a world with these faults alone."""
    return simulate(replace(QUIET, faults=faults, venture=venture, quiet_s=lasts_s)).broken or ""


def trading(**day: int) -> Venture:
    parameters = RestlessParameters(seed=1, size=Qty(400), eagerness=0.5, ttl_s=5.0)
    narrow: Any = replace(NO_STOP, **day)  # type: ignore[arg-type]
    return Venture(Restless.name, parameters, replace(DEFAULT_LIMITS, day=narrow), PLENTY)


@pytest.fixture
def always_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A health that never finds a cause."""
    monkeypatch.setattr(metrics_aggregator, "find_causes", lambda *_, **__: [])


@pytest.mark.usefixtures("always_healthy")
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(5.0, "exchange dies"), "healthy, and not connected"),
        (Fault(5.0, "freeze", "discovery"), ""),  # nothing is wrong of which anybody could know before its heartbeat
        (Fault(5.0, "ill", "recorder/waits for ever at its start"), "an actor does not come up"),
        (Fault(5.0, "disk full", for_s=30.0), "the disk is full"),
        (Fault(5.0, "database away", for_s=40.0), "the database is away, and rows wait"),
    ],
)
def test_a_health_that_tells_nothing_is_told(fault: Fault, told: str) -> None:
    assert told in broken(fault)


@pytest.mark.usefixtures("always_healthy")
@pytest.mark.parametrize(
    ("faults", "venture", "told"),
    [
        ((Fault(5.0, "trader freezes", "state_sync"),), trading(), "nobody reads the account"),
        ((), trading(loss=1), "a stop has locked trading"),
        ((Fault(5.0, "ill", "account_connector/waits for ever at its start"),), trading(), "does not come up"),
    ],
)
def test_a_health_that_tells_nothing_of_trading_is_told(faults: tuple[Fault, ...], venture: Venture, told: str) -> None:
    assert told in broken(*faults, venture=venture)


@pytest.mark.parametrize(
    ("kind", "make", "told"),
    [
        (Inbox, lambda box: replace(box, depth=box.capacity + 1), "the mailbox of engine holds"),
        (Inbox, lambda box: replace(box, high_water=box.capacity + 1), "the mailbox of engine holds"),
    ],
)
def test_a_mailbox_beyond_its_bound_is_told(
    kind: Any, make: Callable[[Any], Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = kind.stats
    monkeypatch.setattr(kind, "stats", lambda box: make(honest(box)))

    assert told in broken(venture=trading(), lasts_s=5.0)


def test_events_that_a_mailbox_does_not_account_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Mailbox.stats
    monkeypatch.setattr(Mailbox, "stats", lambda box: replace(honest(box), accepted=honest(box).accepted + 2))

    assert "does not account for" in broken(lasts_s=5.0)


def test_a_venue_that_is_hammered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay_s", lambda *_: 0.05)

    assert "tried to connect" in broken(Fault(5.0, "refuse", for_s=25.0), Fault(5.1, "cut"))


def test_a_state_that_uses_books_without_a_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pilot looks no more once it is ready."""
    honest = Pilot.look

    async def look(pilot: Pilot) -> None:
        if pilot.machine.state is not State.READY:
            await honest(pilot)

    monkeypatch.setattr(Pilot, "look", look)

    assert "without a connection" in broken(Fault(10.0, "refuse", for_s=25.0), Fault(10.1, "cut"))
