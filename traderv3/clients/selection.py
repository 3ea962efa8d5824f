"""Which markets this run watches, once that is known: written by discovery, awaited by the connectors."""

from collections.abc import Sequence

import trio


class Selection:
    """A choice of tickers that is made once."""

    def __init__(self) -> None:
        self._tickers: tuple[str, ...] = ()
        self._is_made = trio.Event()

    @property
    def is_made(self) -> bool:
        """Whether the tickers are known."""
        return self._is_made.is_set()

    def make(self, tickers: Sequence[str]) -> None:
        """Say which. At least one."""
        assert tickers
        self._tickers = tuple(tickers)
        self._is_made.set()

    async def wait(self) -> tuple[str, ...]:
        """The tickers, as soon as they are known."""
        await self._is_made.wait()
        return self._tickers
