"""A process that writes rows until it is killed: `python -m tests.storage.writing_child URL FOLDER RUN SEED`.

Each line on stdout is `PUT WRITTEN SPILLED`: how many rows it has put, and how many of these are safe as far as it knows.
"""

import random
import sys
import time
from pathlib import Path

import structlog
import trio

from tests.storage.making import transition
from traderv3.config.limits import QueueLimits, SpillLimits
from traderv3.core.clock import wall_us
from traderv3.core.lifeline import Lifeline
from traderv3.storage.database import open_database
from traderv3.storage.spill import Spill
from traderv3.storage.write_queue import WriteQueue


async def write(url: str, folder: Path, run_id: str, seed: int) -> None:
    rng = random.Random(seed)
    queue = WriteQueue(
        lambda: open_database(url, wall_us=wall_us),
        Spill(folder, f"{time.time_ns():020d}-{run_id}", limits=SpillLimits(segment_bytes=20_000)),
        run_id=run_id,
        wall_us=wall_us,
        rng=rng,
        limits=QueueLimits(batch_s=0.2),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.run, Lifeline())
        count = 0
        while True:
            for _ in range(rng.randrange(40)):
                count += 1
                queue.put(transition(count))
            stats = queue.stats()
            sys.stdout.write(f"{count} {stats.written} {stats.spilled}\n")
            sys.stdout.flush()
            await trio.sleep(rng.random() * 0.05)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # stdout is for the parent
    trio.run(write, sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
