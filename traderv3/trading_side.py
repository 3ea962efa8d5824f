"""Trading as the rest of the trader knows it, whether or not anything trades here: what it reads, and whom it tells.

Never: a decision; with no execution room the answer is `None`, nothing, or the reason why there is none.
"""

from collections.abc import Callable

from traderv3.config.settings import Settings
from traderv3.domain.market_facts import MarketFact
from traderv3.domain.permission import Stand
from traderv3.domain.trading_report import TradingReport, off_report
from traderv3.execution_room import ExecutionRoom
from traderv3.trading.latch import TradingLatch
from traderv3.trading.pilot import TradingFacts


class TradingSide:
    """What the coordinator's parts ask and tell."""

    room: ExecutionRoom | None = None  # set once, where something trades

    def __init__(self, settings: Settings, latch: TradingLatch, *, is_replay: bool) -> None:
        self._settings = settings
        self._latch = latch
        self._is_replay = is_replay

    def report(self) -> TradingReport:
        """What trading shows to people."""
        if self.room is not None:
            return self.room.report()
        why = "trading is not switched on (V3_ENABLE_TRADING)"
        if self._is_replay:
            why = "a replay sends nothing"
        elif self._settings.enable_trading:
            why = "real money is not armed (V3_ARM_PRODUCTION is not this key's id)"
        return off_report(self._latch.stand.mode.value, why, self._settings.strategy)

    def facts(self) -> TradingFacts | None:
        """What the state machine decides by."""
        return self.room.facts() if self.room is not None else None

    def troubles(self) -> dict[str, str]:
        """What a person must know of, a sentence for each kind of trouble."""
        found = self.room.troubles() if self.room is not None else {}
        halt = f"halt of {self._latch.stand.since_us}"  # each is a trouble of its own, with its own beginning
        return found if self._latch.trouble is None else {halt: self._latch.trouble, **found}

    def open_orders(self) -> int | None:
        """How many orders of ours rest or may rest."""
        return self.room.open_orders if self.room is not None else None

    def unsure(self) -> str | None:
        """What a halt still waits for at the venue."""
        gateway = self.room.gateway if self.room is not None else None
        if gateway is None or (gateway.is_clear() and gateway.stats().swept_us is not None):
            return None
        return gateway.trouble or "the halt is not over"

    def withdraw_all(self, why: str) -> Callable[[], int] | None:
        """Cancel every order of ours that is open now; returns what tells how many of them still are."""
        return self.room.engine.withdraw_all(why) if self.room is not None else None

    def on_market_fact(self, fact: MarketFact) -> None:
        """Something that the market's channels told."""
        if self.room is not None:
            self.room.on_market_fact(fact)

    def on_latch(self, stand: Stand) -> None:
        """The trading latch moved."""
        if self.room is not None:
            self.room.on_latch(stand)

    async def aclose(self) -> None:
        """Close the way for orders."""
        if self.room is not None:
            await self.room.aclose()
