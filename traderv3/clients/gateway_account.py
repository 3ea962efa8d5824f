"""What the gateway counts and what is wrong with it: its account for people, and the sentence for health.

Units: seconds of Trio's clock. Never: a decision about an order.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import trio

from traderv3.domain.execution import Accepted, Outcome, Rejected, Unknown

# Rejections are an alarm when they are at least this share of the latest outcomes of new orders.
OUTCOMES_KEPT: Final = 20
OUTCOMES_MIN: Final = 5
REJECTED_SHARE: Final = 0.5
OUTCOMES_S: Final = 60.0
DISK_S: Final = 2.0  # a disk that does not answer for so long is in trouble


@dataclass(frozen=True, slots=True)
class GatewayStats:
    """The gateway's account since it was made. `dropped` never went on the wire; `swept_us`: last certain that none rests."""

    sent: int
    accepted: int
    rejected: int
    unknown: int
    dropped: int
    waiting: int
    under_way: int
    resting: int  # as far as we know
    groups: int
    strikes: int
    swept_us: int | None


class GatewayAccount:
    """Counts, and the troubles that whoever meets with them writes down."""

    def __init__(self) -> None:
        self.sent = self.accepted = self.rejected = self.unknown = self.dropped = self.strikes = 0
        self.swept_us: int | None = None
        self.disk_trouble: str | None = None
        self.disk_busy_since: float | None = None
        self.group_trouble: str | None = None
        self._last_no = ""
        self._latest: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES_KEPT)

    def count(self, outcome: Outcome, *, is_new: bool) -> None:
        """One outcome; `is_new`: of a new or changed order, whose rejections may become an alarm."""
        self.accepted += isinstance(outcome, Accepted)
        self.rejected += isinstance(outcome, Rejected)
        self.unknown += isinstance(outcome, Unknown)
        if isinstance(outcome, Rejected):
            self._last_no = f"{outcome.code}: {outcome.why}"
        if is_new and isinstance(outcome, Accepted | Rejected):
            self._latest.append((trio.current_time(), isinstance(outcome, Rejected)))

    def stats(self, *, waiting: int, under_way: int, resting: int, groups: int, strikes: int) -> GatewayStats:
        """The account with what the gateway has in hand; `strikes` are those of the halt under way."""
        return GatewayStats(
            sent=self.sent,
            accepted=self.accepted,
            rejected=self.rejected,
            unknown=self.unknown,
            dropped=self.dropped,
            waiting=waiting,
            under_way=under_way,
            resting=resting,
            groups=groups,
            strikes=self.strikes + strikes,
            swept_us=self.swept_us,
        )

    @property
    def trouble(self) -> str | None:
        """Why orders do not go, in a sentence."""
        busy_since = self.disk_busy_since
        if busy_since is not None and trio.current_time() - busy_since > DISK_S:
            return "no order is sent: the disk of the intent log does not answer"
        if self.disk_trouble is not None:
            return f"no order is sent: the intent log cannot be written: {self.disk_trouble}"
        if self.group_trouble is not None:
            return f"no order is sent: {self.group_trouble}"
        since = trio.current_time() - OUTCOMES_S
        latest = [is_no for at, is_no in self._latest if at >= since]
        if len(latest) >= OUTCOMES_MIN and sum(latest) >= REJECTED_SHARE * len(latest):
            return f"the venue refused {sum(latest)} of the latest {len(latest)} orders ({self._last_no})"
        return None
