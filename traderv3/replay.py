"""`traderv3 replay`: a recording, or a journal's directory, played through the live code path on the recording's clock.

The console follows it like a live run; `--json` plays without waiting for anybody and ends. Speed multiplies time; `max`
knows no waiting. On stdin, a line each: `pause`, `step [SECONDS]`, `speed X`, `resume`, `quit`.
At the end one JSON line on stdout: frames, books, messages a second, the state hash, and whether it is the recorded one.
Exit codes: 0 played (or asked to stop), 1 a bug, 2 not a recording or a taken port, 4 the hash is not the recorded one.
"""

import argparse
import itertools
import json
import math
import random
import secrets
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio
import trio.testing

from traderv3.app import create_app
from traderv3.clients.replay import Replay
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.console.log_tap import LogTap
from traderv3.console.web_server import WebServer
from traderv3.coordinator import Trader
from traderv3.core.sockets import listen
from traderv3.protocol.recording import Entry, RecordingProblem
from traderv3.storage.journal_reader import JournalReader, open_journal
from traderv3.telemetry.log import open_log

EXIT_OK: Final = 0
EXIT_CONFIGURATION: Final = 2
EXIT_DIFFERS: Final = 4
LEAP_S: Final = 5.0  # of the clock between two chances for the other tasks to run: actors show signs of life then
SLICE: Final = 1024  # moments played at the most between two such chances

assert LIMITS.heartbeat_s > 3 * LEAP_S, "a task that wakes last of all has waited for two leaps before, and one more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("recording", metavar="F", help="a recording (.jsonl, .gz, .zst) or a directory of journal segments")
    add("--speed", default="1", metavar="X|max", help="how much faster than recorded (1)")
    add("--json", action="store_true", help="no console: play at --speed, print the result, end")
    add("--port", metavar="PORT", help="where the console is served (V3_PORT)")


class Tempo:
    """The recording's clock: runs at a speed, stands still, or is moved on by hand."""

    def __init__(self, speed: float) -> None:
        self.clock = trio.testing.MockClock(rate=0.0)
        self.speed = speed
        self.is_paused = False
        self.steps_until_s: float | None = None
        self._changed = trio.Event()
        self._is_driven = True
        self._stands_at_s = 0.0  # while it is driven: nobody else moves it, and asking it takes a while
        self._leapt_s = 0.0  # since the other tasks had their chance

    def start(self) -> None:
        """Let it run."""
        self._apply()

    def say(self, words: list[str]) -> str:
        """Carry out one line of the command; returns what to tell the person."""
        match words:
            case ["pause"]:
                self.is_paused, self.steps_until_s = True, None
            case ["resume"]:
                self.is_paused, self.steps_until_s = False, None
            case ["step", *seconds] if len(seconds) < 2 and _is_speed(seconds[0] if seconds else "1"):
                self.is_paused = True
                self.steps_until_s = trio.current_time() + float(seconds[0] if seconds else 1)
            case ["speed", text] if text == "max" or _is_speed(text):
                self.speed = math.inf if text == "max" else float(text)
            case _:
                return "pause | resume | step [SECONDS] | speed X|max | quit"
        self._apply()
        return f"{'paused' if self.is_paused else 'playing'} at {trio.current_time():.3f} s, speed {self.speed:g}"

    def finish(self) -> None:
        """The recording is over: the clock goes on like any other."""
        self.clock.rate = 1.0

    def _apply(self) -> None:
        self._is_driven = self.is_paused or math.isinf(self.speed)
        self.clock.rate = 0.0 if self._is_driven else self.speed
        self._stands_at_s = trio.current_time()
        self._changed.set()
        self._changed = trio.Event()

    async def reach(self, at_s: float) -> None:
        """Wait until the clock is there, or move it."""
        while (left_s := at_s - self._now_s()) > 0:
            may_s = (self.steps_until_s or 0.0) - self._stands_at_s if self.is_paused else LEAP_S
            if may_s <= 0:
                await self._changed.wait()
            elif self._is_driven:
                await self._leap(min(left_s, may_s, LEAP_S))
            else:
                changed = self._changed
                with trio.move_on_after(left_s):
                    await changed.wait()

    def _now_s(self) -> float:
        return self._stands_at_s if self._is_driven else trio.current_time()

    async def _leap(self, by_s: float) -> None:
        self.clock.jump(by_s)
        self._stands_at_s += by_s
        self._leapt_s += by_s
        if self._leapt_s >= LEAP_S:
            self._leapt_s = 0.0
            await trio.lowlevel.checkpoint()


@dataclass
class Result:
    """What the last line says."""

    facts: dict[str, Any] = field(default_factory=dict)


def main(args: argparse.Namespace, settings: Settings) -> int:
    """Play; returns the exit code."""
    try:
        speed = math.inf if args.speed == "max" else float(args.speed)
        journal = open_journal(Path(args.recording), report=lambda damage: print(f"replay: {damage}", file=sys.stderr))
        first = next(journal)
        listener = listen(settings.host, 0 if args.json else settings.port)
    except (ValueError, OSError, StopIteration) as cause:
        what = cause if isinstance(cause, RecordingProblem | OSError) else f"--speed {args.speed}: a number, or max"
        print(f"traderv3 replay: {args.recording}: {what or 'nothing in it'}", file=sys.stderr)
        return EXIT_CONFIGURATION
    tempo = Tempo(speed)
    result = Result()
    token = secrets.token_urlsafe(24)
    tap = LogTap()
    with listener, open_log(settings.environment, settings.data_dir, settings.log_level, secrets=[token]) as book:
        book.tap = tap.take_line
        trio.run(_play, settings, listener, tap, token, tempo, first, journal, result, args.json, clock=tempo.clock)
    print(json.dumps(result.facts), flush=True)
    return EXIT_DIFFERS if result.facts.get("matches") is False else EXIT_OK


async def _play(
    settings: Settings,
    listener: Any,
    tap: LogTap,
    token: str,
    tempo: Tempo,
    first: Entry,
    journal: JournalReader,
    result: Result,
    is_batch: bool,
) -> None:
    anchor_us = first.at_us

    def wall_us() -> int:
        return anchor_us + int(trio.current_time() * 1e6)

    moments = 0

    async def until(at_us: int) -> None:
        nonlocal moments
        moments += 1
        if moments % SLICE == 0:
            await trio.lowlevel.checkpoint()
        await tempo.reach((at_us - anchor_us) / 1e6)

    async def play(replay: Replay) -> None:
        tempo.start()
        began = time.perf_counter()
        await replay.play(itertools.chain((first,), journal), until)
        took_s = time.perf_counter() - began
        played = replay.played
        state_hash = trader.state_hash.value()
        result.facts = {
            "finished": True,
            "frames": played.frames,
            "messages_per_second": round(played.frames / took_s) if took_s else 0,
            "connections": played.connections,
            "books": {ticker: book.state.value for ticker, book in trader.feed.books.items()},
            "gaps": trader.feed.counters.gaps,
            "assumed": played.assumed,
            "diverged": played.diverged,
            "damages": journal.damages_found,
            "state": trader.pilot.machine.state.value,
            "state_hash": state_hash,
            "recorded_hash": played.recorded_hash,
            "matches": None if played.recorded_hash is None else played.recorded_hash == state_hash,
        }
        if is_batch:
            trader.stopping.set()
        tempo.finish()

    trader = Trader(
        settings,
        lambda trader: WebServer(create_app(trader), listener, trader.desk.hub),
        wall_us=wall_us,
        rng=random.Random(0),
        tap=tap,
        token=token,
        replay=play,
    )
    if not is_batch:
        print(f"console: {settings.console_url(trader.web_server.port)}", file=sys.stderr, flush=True)
    async with trio.open_nursery() as nursery:
        if not is_batch:
            nursery.start_soon(_obey, tempo, trader)
            nursery.start_soon(_stop_on_signal, trader)
        await trader.run()
        nursery.cancel_scope.cancel()


async def _obey(tempo: Tempo, trader: Trader) -> None:
    """Lines on stdin; its end means that nobody commands."""
    while True:
        line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if not line:
            return
        if line.split() == ["quit"]:
            trader.stopping.set()
            return
        print(tempo.say(line.split()), file=sys.stderr, flush=True)


async def _stop_on_signal(trader: Trader) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        await anext(signals)
        trader.stopping.set()


def _is_speed(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
