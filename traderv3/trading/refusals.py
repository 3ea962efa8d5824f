"""What was refused, by risk or by the venue, and where it is better not to ask again for a while.

Equal refusals in a row are one line with a count. After a refusal by ourselves a market rests for `OWN_REST_S`; after one by
the venue or the gateway ever longer, until an order there is taken.
Units: times microseconds since the epoch.
"""

from collections import deque
from dataclasses import replace
from typing import Final

from traderv3.domain.orders import Change, Draft, Refused
from traderv3.domain.trading_report import RefusalLine, Refuser

KEPT: Final = 100
OWN_REST_S: Final = 1.0
VENUE_REST_S: Final = 1.0
VENUE_REST_MOST_S: Final = 60.0  # one trader was refused 335 times in a pause of half an hour
FAILURES_MAX: Final = 10
NOT_SENT: Final = "NOT_SENT"  # the rule of the gateway's own refusals


class Refusals:
    """The latest, newest last; and which markets rest until when."""

    def __init__(self) -> None:
        self._lines: deque[RefusalLine] = deque(maxlen=KEPT)
        self._rest_until_us: dict[str, int] = {}
        self._failures: dict[str, int] = {}

    @property
    def lines(self) -> tuple[RefusalLine, ...]:
        """Newest first."""
        return tuple(reversed(self._lines))

    def by_risk(self, refused: Refused[Draft] | Refused[Change], ticker: str, strategy: str) -> None:
        """Risk refused an order or a change of one."""
        self._note(
            RefusalLine(
                rule=refused.rule,
                why=refused.why,
                ticker=ticker,
                strategy=strategy,
                by="risk",
                times=1,
                at_us=refused.at_us,
            )
        )
        self._rest(ticker, OWN_REST_S, refused.at_us)

    def by_venue(self, code: str, why: str, ticker: str, strategy: str, at_us: int) -> None:
        """The venue refused."""
        self._note_other("venue", code, why, ticker, strategy, at_us)

    def by_gateway(self, why: str, ticker: str, strategy: str, at_us: int) -> None:
        """Our own gateway did not send it: the venue never heard of it."""
        self._note_other("gateway", NOT_SENT, why, ticker, strategy, at_us)

    def _note_other(self, by: Refuser, rule: str, why: str, ticker: str, strategy: str, at_us: int) -> None:
        self._note(RefusalLine(rule=rule, why=why, ticker=ticker, strategy=strategy, by=by, times=1, at_us=at_us))
        failures = self._failures[ticker] = min(self._failures.get(ticker, 0) + 1, FAILURES_MAX)
        self._rest(ticker, min(VENUE_REST_MOST_S, VENUE_REST_S * 2 ** (failures - 1)), at_us)

    def taken(self, ticker: str) -> None:
        """The venue took an order there."""
        self._failures.pop(ticker, None)

    def rests(self, ticker: str, at_us: int) -> bool:
        """Whether nothing should be asked for there now. A wall clock set back ends no rest early, and makes none longer."""
        until_us = self._rest_until_us.get(ticker)
        if until_us is None:
            return False
        if at_us < until_us <= at_us + int(VENUE_REST_MOST_S * 1e6):
            return True
        del self._rest_until_us[ticker]
        return False

    def _rest(self, ticker: str, for_s: float, at_us: int) -> None:
        self._rest_until_us[ticker] = max(self._rest_until_us.get(ticker, 0), at_us + int(for_s * 1e6))

    def _note(self, line: RefusalLine) -> None:
        last = self._lines[-1] if self._lines else None
        if last is not None and _kind(last) == _kind(line):
            line = replace(line, times=last.times + 1)
            self._lines.pop()
        self._lines.append(line)


def _kind(line: RefusalLine) -> tuple[str, str, str, str]:
    return (line.rule, line.ticker, line.strategy, line.by)
