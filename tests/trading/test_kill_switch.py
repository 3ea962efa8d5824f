"""The file and the signal: from the real input to the latch."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from traderv3.core.lifeline import Lifeline
from traderv3.domain.permission import Mode
from traderv3.trading.kill_switch import KILL_FILE, LOOK_S, KillSwitch, hear_signals, keep_early_signals
from traderv3.trading.latch import TradingLatch


@asynccontextmanager
async def watching(latch: TradingLatch, folder: Path, *, hears: bool = False) -> AsyncIterator[None]:
    switch = KillSwitch(latch, folder / KILL_FILE, hear=hear_signals if hears else None)
    lifeline = Lifeline()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(switch.run, lifeline)
        await lifeline.settled.wait()
        yield
        nursery.cancel_scope.cancel()


def make_latch(folder: Path) -> TradingLatch:
    return TradingLatch(folder / "trading.json", wall_us=lambda: 7)


async def test_a_file_halts_within_one_look_and_its_first_line_is_the_reason(tmp_path: Path) -> None:
    latch, moved = make_latch(tmp_path), trio.Event()
    latch.on_change = lambda _: moved.set()
    async with watching(latch, tmp_path):
        (tmp_path / KILL_FILE).write_text("odd fills\nmore\n")
        with trio.fail_after(LOOK_S + 0.2):
            await moved.wait()

    assert latch.stand.mode is Mode.HALTED
    assert (latch.stand.by, latch.stand.reason) == ("the file HALT", "odd fills")


async def test_a_file_that_lies_there_at_the_start_halts_before_anybody_may_trade(tmp_path: Path) -> None:
    (tmp_path / KILL_FILE).touch()
    latch = make_latch(tmp_path)
    async with watching(latch, tmp_path):
        assert latch.stand.mode is Mode.HALTED
        assert "remove it before `resume`" in latch.stand.reason


async def test_while_the_file_is_there_nobody_can_lift_the_halt(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / KILL_FILE).touch()
    latch = TradingLatch(None, wall_us=lambda: 7)
    async with watching(latch, tmp_path):
        await latch.set(Mode.ACTIVE, by="console", reason="")
        await trio.sleep(LOOK_S * 2)
        modes = [latch.stand.mode]
        (tmp_path / KILL_FILE).unlink()
        await latch.set(Mode.ACTIVE, by="console", reason="")
        await trio.sleep(LOOK_S * 2)
        modes.append(latch.stand.mode)

    assert modes == [Mode.HALTED, Mode.ACTIVE]


async def test_something_there_that_cannot_be_read_is_a_halt(tmp_path: Path) -> None:
    (tmp_path / KILL_FILE).mkdir()
    latch = make_latch(tmp_path)
    async with watching(latch, tmp_path):
        assert latch.stand.mode is Mode.HALTED
        assert "cannot be read" in latch.stand.reason


async def test_the_signal_halts_and_the_halt_survives(tmp_path: Path) -> None:
    latch, moved = make_latch(tmp_path), trio.Event()
    latch.on_change = lambda _: moved.set()
    async with watching(latch, tmp_path, hears=True):
        os.kill(os.getpid(), signal.SIGUSR1)
        with trio.fail_after(0.25):
            await moved.wait()

    assert latch.stand.by == "signal SIGUSR1"
    assert make_latch(tmp_path).stand.mode is Mode.HALTED


async def test_a_signal_that_came_before_anybody_listened_halts_at_the_start(tmp_path: Path) -> None:
    """By default it would have ended the process: the trial of a stranger, three of three."""
    keep_early_signals()
    os.kill(os.getpid(), signal.SIGUSR1)
    latch, moved = make_latch(tmp_path), trio.Event()
    latch.on_change = lambda _: moved.set()
    async with watching(latch, tmp_path, hears=True):
        with trio.fail_after(0.25):
            await moved.wait()

    assert latch.stand.by == "signal SIGUSR1"


async def test_a_link_to_nowhere_is_something_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / KILL_FILE).symlink_to(tmp_path / "nowhere")
    latch = make_latch(tmp_path)
    async with watching(latch, tmp_path):
        assert latch.stand.mode is Mode.HALTED


async def test_a_disk_that_refuses_the_latch_does_not_end_the_switch(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "kept").touch()  # a file where the latch wants a directory
    latch = TradingLatch(tmp_path / "kept" / "trading.json", wall_us=lambda: 7)
    latch.stand = make_latch(tmp_path).stand
    (tmp_path / KILL_FILE).touch()
    async with watching(latch, tmp_path):
        assert latch.stand.mode is Mode.HALTED


@pytest.mark.parametrize("content", [b"", b"\n\nx", b"\xff\xfe", b"a" * 10_000])
async def test_whatever_is_in_the_file_it_is_a_halt(content: bytes, tmp_path: Path) -> None:
    (tmp_path / KILL_FILE).write_bytes(content)
    latch = make_latch(tmp_path)
    async with watching(latch, tmp_path):
        assert latch.stand.mode is Mode.HALTED
