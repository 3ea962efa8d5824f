"""Which markets this run watches, and on which connection each: written by discovery, read by the connectors.

A connection's share is dealt when the markets are known, round robin, so that the busiest are apart; a market that comes
later goes where fewest are. Without a number of connections given there are as many as it takes for `per_connection`.
What one connection cannot carry is a lesson for all: none gets more than that one kept (or half of what it should have
had, if it kept less), and there are as many as that takes, whatever number was given, up to `CONNECTIONS_MAX`.
Never: one market on two connections.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import trio

CONNECTIONS_MAX: Final = 100  # that a refusing venue may drive us to; an account has 200, and is not ours alone


class Selection:
    """A choice of tickers that may change while it is watched. `version` grows with every change.

    `on_grow` is told how many connections are wanted, each time that is more than before.
    """

    def __init__(
        self,
        *,
        connections: int | None = None,
        per_connection: int = 200,
        on_grow: Callable[[int], None] = lambda _: None,
    ) -> None:
        assert connections is None or connections > 0
        assert per_connection > 0
        self._connections = connections
        self._per_connection = per_connection
        self._on_grow = on_grow
        self._shares: list[dict[str, None]] = [{}]  # ordered sets
        self._is_made = trio.Event()
        self._dealt: dict[int, tuple[str, ...]] = {}  # shares as they were asked for since the last change
        self._version = 0

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    @property
    def is_made(self) -> bool:
        """Whether the tickers are known."""
        return self._is_made.is_set()

    @property
    def tickers(self) -> list[str]:
        """Every ticker that is watched now."""
        return [ticker for share in self._shares for ticker in share]

    def __len__(self) -> int:
        """How many markets are watched now."""
        return sum(map(len, self._shares))

    def __contains__(self, ticker: str) -> bool:
        """Whether a market is watched now."""
        return any(ticker in share for share in self._shares)

    def share(self, index: int) -> tuple[str, ...]:
        """What connection number `index` (from 0) carries; the same object until it changes, for it is asked for often."""
        if index not in self._dealt:
            self._dealt[index] = tuple(self._shares[index]) if index < len(self._shares) else ()
        return self._dealt[index]

    def make(self, tickers: Sequence[str]) -> None:
        """Say which. At least one."""
        assert tickers
        wanted = self._connections or -(-len(tickers) // self._per_connection)
        self._shares = [{} for _ in range(min(wanted, len(tickers)))]
        for place, ticker in enumerate(dict.fromkeys(tickers)):
            self._shares[place % len(self._shares)][ticker] = None
        self._change()
        self._is_made.set()
        self.announce()

    def admit(self, ticker: str, *, but_not: int | None = None) -> None:
        """Watch one more market, on any connection but that one; nothing changes if it is watched already."""
        if ticker in self:
            return
        places = [index for index in range(len(self._shares)) if index != but_not]
        place = min(places, key=lambda index: len(self._shares[index]), default=len(self._shares))
        connections_max = self._connections or CONNECTIONS_MAX
        may_grow = len(self._shares) < connections_max or not places
        if may_grow and (not places or len(self._shares[place]) >= self._per_connection):
            place = len(self._shares)
            self._shares.append({})
        self._shares[place][ticker] = None
        self._change()
        self.announce()

    def dismiss(self, ticker: str) -> None:
        """Watch a market no longer; nothing changes if it is not watched."""
        for share in self._shares:
            if ticker in share:
                del share[ticker]
                self._change()

    def move(self, tickers: Iterable[str], *, away_from: int) -> None:
        """A connection cannot carry these: put them on another one, a new one if need be."""
        moving = [ticker for ticker in tickers if ticker in self._shares[away_from]]
        for ticker in moving:
            self.dismiss(ticker)
        kept = len(self._shares[away_from])
        if moving and kept:  # one that keeps nothing at all is refused for another reason
            self._per_connection = min(self._per_connection, max(kept, (kept + len(moving)) // 2))
            self._connections = None
        for ticker in moving:
            self.admit(ticker, but_not=away_from)

    def _change(self) -> None:
        self._dealt.clear()
        self._version += 1

    def announce(self) -> None:
        """Tell again how many connections are wanted: whoever opens them may have started anew."""
        if self.is_made:
            self._on_grow(len(self._shares))

    async def wait(self) -> tuple[str, ...]:
        """The tickers, as soon as they are known."""
        await self._is_made.wait()
        return tuple(self.tickers)
