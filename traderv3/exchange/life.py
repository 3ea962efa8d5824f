"""What moves the exchange on the wall clock: its own time step by step, and a recording at a chosen speed.

Units: seconds for pauses, microseconds since the epoch for times. Never: a decision about what is traded.
"""

import math
from collections.abc import Callable
from typing import Final

import trio

from traderv3.exchange.exchange import Exchange
from traderv3.exchange.floor import Floor
from traderv3.exchange.playback import Playback

STEP_S: Final = 0.005  # fine enough that a burst of a few ms stays one
ENTRIES_A_STEP: Final = 500  # between two chances for the clients' tasks to run
READER_LAG_FRAMES_MAX: Final = 2_000  # at maximal speed nobody is left further behind than this
READER_LAG_BYTES_MAX: Final = 1 << 20
POLL_S: Final = 0.001


async def drive_exchange(exchange: Exchange) -> None:
    """Let time pass for ever: participants trade, what is due falls due, what was held back goes out."""
    while True:
        await trio.sleep(STEP_S)
        exchange.step(exchange.now_us())


async def drive_playback(
    playback: Playback, floor: Floor, *, speed: float, starts_now: bool, now_us: Callable[[], int]
) -> None:
    """Play to the end. `speed` multiplies time; infinite waits only for the slowest reader."""
    while not (starts_now or floor.has_had_book_reader):  # noqa: ASYNC110 - the floor knows no events
        await trio.sleep(POLL_S)
    if math.isinf(speed):
        await _play_at_once(playback, floor)
    else:
        await _play_in_time(playback, speed, now_us)


async def _play_at_once(playback: Playback, floor: Floor) -> None:
    while not playback.is_finished:
        playback.step(until_us=None, entries_max=ENTRIES_A_STEP)
        await trio.lowlevel.checkpoint()
        while _is_anyone_behind(floor):  # noqa: ASYNC110 - as above
            await trio.sleep(POLL_S)


def _is_anyone_behind(floor: Floor) -> bool:
    return any(
        session.queued_frames > READER_LAG_FRAMES_MAX or session.queued_bytes > READER_LAG_BYTES_MAX
        for session in floor.sessions
    )


async def _play_in_time(playback: Playback, speed: float, now_us: Callable[[], int]) -> None:
    recorded_us = playback.next_at_us
    if recorded_us is None:
        return
    started_us = now_us()
    while not playback.is_finished:
        until_us = recorded_us + int((now_us() - started_us) * speed)
        played = playback.step(until_us=until_us, entries_max=ENTRIES_A_STEP)
        await trio.sleep(0 if played >= ENTRIES_A_STEP else STEP_S)
