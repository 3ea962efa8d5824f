"""What a killed trader or a killed actor costs: `kill -9` to a new process that is ready, and an actor's end to live books.

The trader watches 18 markets of an exchange in a process of its own, as it would the venue; its successor is started at the
moment of the kill, as a service manager without a pause would. It finds the journal and the database as the kill left them.
Then, in one running trader, actors are ended as a fault of theirs would end them; the time is from there until every book
is live again and the trader may operate.
Run: python -m benchmarks.kill_to_ready [--quick]
"""

import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
import trio

from benchmarks.command_to_ready import READY, started, wait_for
from benchmarks.processes import exchange, running_trader
from benchmarks.rounds import Report, arguments, percentile, spread
from traderv3.config.settings import load
from traderv3.coordinator import Trader
from traderv3.domain.states import OPERATING

MARKETS: Final = 18
LIVED_S: Final = 2.0  # before each kill, so that journal and database have something to find
CALM_S: Final = 12.0  # between the ends of actors: a connection that lasted 10 s is taken up again at once
QUICK_CALM_S: Final = 2.0
LOOK_S: Final = 0.002
ACTORS: Final = ("orderbook_connector", "discovery", "broadcaster", "state_machine")
ROUNDS, QUICK_ROUNDS = 5, 1


def kill_s(folder: Path, variables: dict[str, str]) -> float:
    """Seconds from `kill -9` of a trader that was ready to its successor being so."""
    with started(folder, **variables) as (process, _):
        wait_for(process, READY)
        time.sleep(LIVED_S)
        process.kill()
        killed_s = time.monotonic()
        with started(folder, **variables) as (successor, _):
            return wait_for(successor, READY) - killed_s


async def end_actors(folder: Path, variables: dict[str, str], rounds: int, calm_s: float) -> dict[str, list[float]]:
    """Seconds from the end of each actor, `rounds` times, until all is well again."""
    settings = load(
        environment="sim",
        overrides={"V3_MARKETS": f"auto:{MARKETS}", "V3_DATA_DIR": str(folder / "data")},
        process=variables,
        directory=folder,
        check_key=lambda _: None,
    )
    found: dict[str, list[float]] = {name: [] for name in ACTORS}
    async with running_trader(settings) as trader:
        for _ in range(rounds):
            for name in ACTORS:
                await all_well(trader)
                await trio.sleep(calm_s)
                assert trader._root is not None
                restarts = _restarts(trader, name)
                began_s = time.perf_counter()
                assert trader._root.kill(name), f"{name} does not run"
                while _restarts(trader, name) == restarts:  # noqa: ASYNC110 - nobody sets an event
                    await trio.sleep(LOOK_S)
                await all_well(trader)
                found[name].append(time.perf_counter() - began_s)
    return found


async def all_well(trader: Trader) -> None:
    """Wait until every book is live, every actor runs and the trader may operate."""
    while not (  # noqa: ASYNC110 - nobody sets an event
        trader.pilot.machine.state in OPERATING
        and trader.feed.live == len(trader.feed.books) == MARKETS
        and all(status == "running" for status in _statuses(trader).values())
    ):
        await trio.sleep(LOOK_S)


def _statuses(trader: Trader) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(trader.node().children)
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.strategy is None:
            found[node.name] = node.status.value
    return found


def _restarts(trader: Trader, name: str) -> int:
    waiting = list(trader.node().children)
    while waiting:
        node = waiting.pop()
        if node.name == name:
            return node.restarts
        waiting += node.children
    raise AssertionError(name)


def figures(report: Report, kills: Sequence[float], ends: dict[str, list[float]]) -> None:
    """What goes into the table."""
    report.figure("kill -9 to ready", spread(kills), "s", at_most=3.0, note=f"{len(kills)} kills")
    for name, took in ends.items():
        milliseconds = [each * 1000 for each in took]
        most = percentile(milliseconds, 1.0)
        report.figure(f"{name} ended, to all live and ready", spread(milliseconds), "ms", note=f"most {most:.0f}")


def main() -> int:
    args = arguments(__doc__, rounds=ROUNDS, quick_rounds=QUICK_ROUNDS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = Report("kill_to_ready", args)
    with tempfile.TemporaryDirectory() as name, exchange(Path(name), "--markets-count", str(MARKETS)) as venue:
        variables = {"KALSHI_API_URL": venue["api_url"], "KALSHI_WS_URL": venue["ws_url"]}
        kills = [kill_s(Path(name), variables) for _ in range(args.rounds)]
        calm_s = QUICK_CALM_S if args.is_quick else CALM_S
        ends = trio.run(end_actors, Path(name), variables, args.rounds, calm_s)
    figures(report, kills, ends)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
