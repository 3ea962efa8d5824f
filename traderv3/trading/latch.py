"""The trading latch: what trading may do, as a person said it last (`domain.permission.Mode`).

The latch lies in one file, `<data dir>/<environment>/trading.json`, written whole and durable before anybody is told that
it moved, and outlives every restart: only `resume` ends a halt, a `pause` does not. No file is a first start, and active;
one that cannot be read is a halt, and says so.
A stricter word holds from the moment it is said, even if the disk then refuses it; a milder one only once it is kept.
Units: times in microseconds since the epoch.
Never: a milder mode than the file's after a restart.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from traderv3.core.disk import Blocking, replace_file
from traderv3.domain.permission import Mode, NotKept, Stand

log = structlog.get_logger(component="trading")

LATCH_FILE: Final = "trading.json"  # in the environment's folder
REASON_MAX: Final = 200  # characters

_STRICTNESS: Final = tuple(Mode)


class TradingLatch:
    """One environment's latch. `on_change` hears of every change in the step in which it begins to hold; it must not wait.

    Without a `path` (a replay) the latch lives in memory alone.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        wall_us: Callable[[], int],
        on_change: Callable[[Stand], None] = lambda _: None,
        blocking: Blocking = trio.to_thread.run_sync,
    ) -> None:
        self._path = path
        self._blocking = blocking
        self._wall_us = wall_us
        self.on_change = on_change
        self._writing = trio.Lock()
        self.stand = self._read()

    async def set(self, mode: Mode, *, by: str, reason: str) -> Stand:
        """Put the latch there and keep it; halted, only `ACTIVE` moves it on. Returns where it stands then.

        Raises `NotKept`; the stricter of old and new mode then holds in memory.
        """
        stand = Stand(mode, self._wall_us(), by, reason[:REASON_MAX])
        before = self.stand
        if before.mode is Mode.HALTED and mode is Mode.REDUCING:
            return before
        is_stricter = _STRICTNESS.index(mode) >= _STRICTNESS.index(before.mode)
        if is_stricter:
            self._move(stand)
        with trio.CancelScope(shield=is_stricter):  # a stricter word is kept, even if whoever said it goes away
            async with self._writing:
                await self._keep(stand, is_stricter=is_stricter)
                if (
                    not is_stricter and self.stand is before
                ):  # a halt that came meanwhile is written after us, and holds
                    self._move(stand)
        return self.stand

    @property
    def trouble(self) -> str | None:
        """Why nothing is traded, in a sentence; None unless halted."""
        if self.stand.mode is not Mode.HALTED:
            return None
        return f"trading is halted by {self.stand.by}: {self.stand.reason}; no order is sent until `resume`"

    async def _keep(self, stand: Stand, *, is_stricter: bool) -> None:
        try:
            await self._blocking(lambda: self._write(stand))
        except OSError as exc:
            held = f"{self.stand.mode} holds until a restart" if is_stricter else f"{self.stand.mode} still holds"
            msg = f"{held}, but could not be kept in {self._path}: {exc.strerror or exc}"
            raise NotKept(msg) from exc

    def _move(self, stand: Stand) -> None:
        self.stand = stand
        log.warning("trading latch", mode=stand.mode.value, by=stand.by, reason=stand.reason)
        self.on_change(stand)

    def _read(self) -> Stand:
        now_us = self._wall_us()
        if self._path is None:
            return Stand(Mode.ACTIVE, now_us, "replay", "a replay sends nothing")
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Stand)
        except FileNotFoundError:
            return Stand(Mode.ACTIVE, now_us, "start", "nobody has said otherwise")
        except (OSError, msgspec.MsgspecError, RecursionError) as exc:
            return Stand(Mode.HALTED, now_us, "the trader itself", f"{self._path} cannot be read: {exc}"[:REASON_MAX])

    def _write(self, stand: Stand) -> None:
        """Blocks, in a worker thread. The old file or the new one is there at any moment. Raises `OSError`."""
        if self._path is None:
            return
        replace_file(self._path, msgspec.json.encode(stand))
