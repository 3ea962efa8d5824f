"""The actor that reads the account: how often, how soon after being asked, and what an error is."""

import itertools
from collections.abc import Callable

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.trading.telling import reading
from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.execution import Snapshot
from traderv3.trading.state_sync import GAP_S, PERIOD_S, READ_S, RETRY_MOST_S, SILENT_S, StateSync

Reply = Callable[[], Snapshot]


class Account:
    """Answers with what `reply` does."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.since: list[int] = []
        self.reply: Reply = lambda: reading(0)
        self.takes_s = 0.0

    async def snapshot(self, since_us: int) -> Snapshot:
        self.asked_at.append(trio.current_time())
        self.since.append(since_us)
        await trio.sleep(self.takes_s)
        return self.reply()


def refused() -> Snapshot:
    raise ConnectivityError("503")


class Syncing:
    """A state sync with its account."""

    def __init__(self) -> None:
        self.account = Account()
        self.told: list[Snapshot] = []
        self.sync = StateSync(
            self.account, since_us=lambda: 7, deliver=self.told.append, wall_us=lambda: int(trio.current_time() * 1e6)
        )

    async def live(self, for_s: float, *asks_at: float) -> list[float]:
        """When it read."""
        with capture_logs(), trio.move_on_after(for_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.sync.run, Lifeline())
                for ask_at in asks_at:
                    await trio.sleep_until(ask_at)
                    self.sync.ask("a test")
                await trio.sleep_forever()
        return [round(at, 2) for at in self.account.asked_at]


async def test_it_reads_at_once_and_then_every_period(autojump_clock: MockClock) -> None:
    syncing = Syncing()

    assert await syncing.live(2.5 * PERIOD_S) == [0, GAP_S + PERIOD_S, 2 * (GAP_S + PERIOD_S)]
    assert len(syncing.told) == 3
    assert syncing.account.since == [7, 7, 7]


async def test_it_reads_soon_when_asked_and_no_sooner_than_the_venue_tells_balances(autojump_clock: MockClock) -> None:
    syncing = Syncing()

    assert await syncing.live(10, 5.0, 5.1, 5.2) == [0, 5.0, 5.0 + GAP_S]


async def test_whoever_asks_during_a_reading_gets_another(autojump_clock: MockClock) -> None:
    syncing = Syncing()
    syncing.account.takes_s = 1.0

    assert await syncing.live(5, 0.5) == [0, round(1.0 + GAP_S, 2)]


async def test_an_error_is_no_empty_account_and_is_tried_ever_more_slowly(autojump_clock: MockClock) -> None:
    syncing = Syncing()
    syncing.account.reply = refused
    tries = await syncing.live(60)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]

    assert syncing.told == []
    assert gaps[0] < gaps[1] < gaps[2] < 5.1
    assert round(gaps[-1], 3) == RETRY_MOST_S
    assert syncing.sync.trouble == "the account cannot be read: 503"


async def test_trouble_comes_late_and_ends_with_the_first_reading(autojump_clock: MockClock) -> None:
    syncing = Syncing()
    syncing.account.reply = refused
    early = syncing.sync.trouble
    await syncing.live(SILENT_S + 1)
    late = syncing.sync.trouble
    syncing.account.reply = lambda: reading(0)
    await syncing.live(1)

    assert early is None
    assert late is not None
    assert syncing.sync.trouble is None


async def test_a_reading_that_takes_for_ever_is_given_up(autojump_clock: MockClock) -> None:
    syncing = Syncing()
    syncing.account.takes_s = 1e9
    tries = await syncing.live(READ_S * 2)

    assert tries[1] == READ_S + 2 * GAP_S
    assert syncing.told == []
