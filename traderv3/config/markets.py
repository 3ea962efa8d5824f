"""Which markets a run watches: named tickers, or the most active ones.

Tickers may be of markets, events or series; an event or series stands for its open markets. Which of them exist is
found out at the venue, not here.
"""

import re
from dataclasses import dataclass
from typing import Final

AUTO_COUNT_DEFAULT: Final = 15
MARKETS_MAX: Final = 10_000  # what one process was measured with; a typo such as auto:150000 is caught

_TICKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class AutoMarkets:
    """The `count` most active open markets."""

    count: int = AUTO_COUNT_DEFAULT

    def __str__(self) -> str:
        return f"auto:{self.count}"


@dataclass(frozen=True, slots=True)
class NamedMarkets:
    """These tickers, in this order, each once."""

    tickers: tuple[str, ...]

    def __str__(self) -> str:
        return ",".join(self.tickers)


MarketSelection = AutoMarkets | NamedMarkets


class MarketsProblem(ValueError):
    """A selection that cannot be read; the message says why."""


def parse_markets(text: str) -> MarketSelection:
    """Read `auto`, `auto:N` or a comma list of tickers. Raises `MarketsProblem`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        msg = "names no market"
        raise MarketsProblem(msg)
    if any(word.lower().partition(":")[0] == "auto" for word in words):
        return _parse_auto(words)
    for word in words:
        if not _TICKER.fullmatch(word):
            msg = f"{word[:40]!r} is not a ticker (letters, digits, '-', '.', '_')"
            raise MarketsProblem(msg)
    tickers = tuple(dict.fromkeys(words))
    if len(tickers) > MARKETS_MAX:
        msg = f"names {len(tickers)} tickers; at most {MARKETS_MAX}"
        raise MarketsProblem(msg)
    return NamedMarkets(tickers)


def _parse_auto(words: list[str]) -> AutoMarkets:
    if len(words) > 1:
        msg = "mixes auto with tickers"
        raise MarketsProblem(msg)
    _, colon, count_text = words[0].partition(":")
    if not colon:
        return AutoMarkets()
    is_number = count_text.isascii() and count_text.isdigit() and len(count_text) <= len(str(MARKETS_MAX))
    if not is_number or not 0 < int(count_text) <= MARKETS_MAX:
        msg = f"auto:{count_text[:20]} is not auto:N with N from 1 to {MARKETS_MAX}"
        raise MarketsProblem(msg)
    return AutoMarkets(int(count_text))
