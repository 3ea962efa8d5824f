"""Whether the exchange is open, as it says itself: a pause that is known is a state of the world, not an error.

Every Thursday 03:00 to 05:00 in New York trading pauses and connections drop; cancels are taken. In a full pause of the
exchange (rare) not even those. Units: times in microseconds since the epoch.
Source: docs.kalshi.com, "Maintenance and pauses"; `GET /exchange/status`, `GET /exchange/schedule`.
Never: a guess. What nobody said is None.
"""

from dataclasses import dataclass

from traderv3.domain.timestamps import rfc3339


@dataclass(frozen=True, slots=True)
class Pause:
    """One announced closure, from the schedule."""

    starts_us: int
    ends_us: int

    def holds(self, at_us: int) -> bool:
        """Whether that moment lies within."""
        return self.starts_us <= at_us < self.ends_us


@dataclass(slots=True)
class Hours:
    """What is known of the exchange's hours now. One writer, the actor that asks; `pause` is the current or next one."""

    is_exchange_active: bool | None = None
    is_trading_active: bool | None = None
    resume_us: int | None = None  # the exchange's own estimate
    pause: Pause | None = None

    def is_closed(self, at_us: int) -> bool:
        """The exchange says that it is down, or announced that it would be: nobody need be there to answer."""
        return self.is_exchange_active is False or self._is_in_pause(at_us)

    def _is_in_pause(self, at_us: int) -> bool:
        """Announced, and not denied: an exchange that says it trades is believed."""
        return self.pause is not None and self.pause.holds(at_us) and self.is_trading_active is not True

    def sentence(self, at_us: int) -> str | None:
        """What a person should know, or None while everything is open."""
        is_in_pause = self._is_in_pause(at_us)
        ends_us = self.resume_us or (self.pause.ends_us if self.pause is not None and is_in_pause else None)
        until = f" until {rfc3339(ends_us)[:16].replace('T', ' ')} UTC" if ends_us else ""
        if self.is_exchange_active is False:
            return f"the exchange is paused{until}: no orders, no cancels; nothing to mend here"
        if is_in_pause:
            return f"the exchange has its maintenance window{until}: trading rests, connections may drop, cancels are taken"
        if self.is_trading_active is False:
            return f"trading is paused at the exchange{until}: no new orders, cancels are taken"
        return None
