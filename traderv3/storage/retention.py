"""What is sampled is not kept for ever: rows that are too old are deleted, a few at a time, when nothing else is to do.

A sweep goes over the tables of `RetentionLimits.days` every `every_s`, one batch a step, oldest rows first, of all runs
and environments in the database; the log says at its end what is gone. A file does not shrink by this: what is free is
written to again, so it stops growing. `step` blocks and belongs into the thread of the write queue.
Never: a row of a table that is not named there; a second step before what waits to be written is written.
"""

from collections import Counter, deque
from typing import Final, Protocol

import structlog

from traderv3.config.limits import RetentionLimits
from traderv3.core.clock import WallClock
from traderv3.storage.database import DatabaseTrouble, RowsRefused

log = structlog.get_logger(component="retention")

_DAY_US: Final = 86_400 * 10**6


class Pruning(Protocol):
    """What is asked of a database; `storage.database.Database` is one."""

    def prune(self, table: str, before_us: int, most: int, /) -> int: ...


class Retention:
    """Where the sweep is; outlives connections. Seconds are of the loop's clock."""

    def __init__(self, limits: RetentionLimits, *, wall_us: WallClock) -> None:
        self._limits = limits
        self._wall_us = wall_us
        self._left = deque(limits.days)  # tables of this sweep, the one under way first
        self._gone: Counter[str] = Counter()
        self._rests_until_s = 0.0

    def is_due(self, now_s: float) -> bool:
        """Whether there is a step to do."""
        return now_s >= self._rests_until_s

    def step(self, database: Pruning, now_s: float) -> None:
        """Delete one batch of the table under way. A failure ends the sweep and is said; the next one tries again."""
        table = self._left[0]
        before_us = self._wall_us() - self._limits.days[table] * _DAY_US
        try:
            count = database.prune(table, before_us, self._limits.batch_rows)
        except (DatabaseTrouble, RowsRefused) as cause:
            log.warning("old rows cannot be deleted now", table=table, error=str(cause))
            self._left.clear()
        else:
            self._gone[table] += count
            if count:
                return
            self._left.popleft()
        if not self._left:
            self._end_sweep(now_s)

    def _end_sweep(self, now_s: float) -> None:
        gone = {table: count for table, count in self._gone.items() if count}
        if gone:
            log.info("old rows deleted", rows=gone, kept_days=dict(self._limits.days))
        self._gone.clear()
        self._left.extend(self._limits.days)
        self._rests_until_s = now_s + self._limits.every_s
