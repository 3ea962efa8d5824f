"""A process that journals numbered frames until it is killed, and says on stdout how far it got and when.

Arguments: the directory and the first number.
A line of stdout is a number that was handed over and the monotonic time then, which all processes share.
"""

import random
import sys
import time
from pathlib import Path

import trio

from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.storage.journal import Journal

TELL_S = 0.02


async def main(directory: Path, number: int) -> None:
    journal = Journal(directory, environment="sim", run_id=str(number), markets=lambda: ["A"], wall_us=wall_us)
    rng = random.Random(number)
    told_s = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run, Lifeline())
        while True:
            frames = [b'{"number":%d}\n' % each for each in range(number, number + rng.randrange(1, 20))]
            journal.frames(1, wall_us(), frames, is_inbound=True)
            number += len(frames)
            if time.monotonic() - told_s >= TELL_S:
                told_s = time.monotonic()
                sys.stdout.write(f"{number - 1} {told_s}\n")
                sys.stdout.flush()
            await trio.sleep(0.001)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
