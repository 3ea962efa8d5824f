"""The actor that reads the account whole: at start, whenever somebody asks, and every so often all the same.

Out:   a `Snapshot` into the engine's inbox; `last_us`, `trouble` for whoever shows them.
Dies:  only when an invariant breaks. A venue that cannot be read is asked again, ever more slowly, and that is said.
Never: a judgement (`trading.reconciliation`), or an empty account made of an error.
"""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import TraderError
from traderv3.domain.execution import AccountReads, Snapshot

log = structlog.get_logger(component="state_sync")

PERIOD_S: Final = 15.0
GAP_S: Final = (
    1.05  # between two readings, however often it is asked: the venue tells a balance once a second, no burst
)
RETRY_MOST_S: Final = 5.0
READ_S: Final = 30.0  # a reading that takes longer tells of too many moments at once
SILENT_S: Final = PERIOD_S + 10.0  # without a reading for so long is trouble


class StateSync:
    """Reads again and again. `since_us` says how far back orders and fills are wanted; `deliver` must not wait."""

    name = "state_sync"

    def __init__(
        self,
        reads: AccountReads,
        *,
        since_us: Callable[[], int],
        deliver: Callable[[Snapshot], None],
        wall_us: Callable[[], int],
    ) -> None:
        self._reads = reads
        self._since_us = since_us
        self._deliver = deliver
        self._wall_us = wall_us
        self._asked = trio.Event()
        self._failures = 0
        self._good_at = trio.current_time()
        self._last_error = "it was not read yet"
        self.last_us: int | None = None

    def ask(self, why: str) -> None:
        """A reading is wanted soon. Never waits."""
        if not self._asked.is_set():
            log.info("the account is read again", why=why)
        self._asked.set()

    @property
    def trouble(self) -> str | None:
        """Why the account is not known, in a sentence; None while it is read now and then."""
        if trio.current_time() - self._good_at < SILENT_S:
            return None
        return f"the account cannot be read: {self._last_error}"

    async def run(self, lifeline: Lifeline) -> None:
        """Read for ever; the first reading at once."""
        lifeline.started()
        while True:
            lifeline.beat()
            self._asked = trio.Event()  # whoever asks from here on wants a reading that begins later
            await self._read()
            if self._failures:
                await trio.sleep(min(RETRY_MOST_S, GAP_S * 2 ** min(self._failures, 8)))
                continue
            await trio.sleep(GAP_S)
            await lifeline.wait(self._asked.wait, until=trio.current_time() + PERIOD_S)

    async def _read(self) -> None:
        try:
            with trio.move_on_after(READ_S) as scope:
                snapshot = await self._reads.snapshot(self._since_us())
            if not scope.cancelled_caught:
                self._failures, self._good_at, self.last_us = 0, trio.current_time(), self._wall_us()
                self._last_error = "the reading at hand has no answer yet"
                self._deliver(snapshot)
                return
            error = f"not read within {READ_S:g} s"
        except TraderError as exc:
            error = str(exc)
        self._failures += 1
        self._last_error = error
        log.warning("the account was not read", error=error, failures=self._failures)
