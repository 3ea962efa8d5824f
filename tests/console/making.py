"""A hub over a small made-up trader, for tests of the console's parts without sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field

from traderv3.console.hub import Hub
from traderv3.console.messages import ConsoleLine
from traderv3.console.status import Picture, Sources, StateNow
from traderv3.core.supervision import NodeReport, Status, Strategy
from traderv3.domain.feed import Feed
from traderv3.domain.health import Health, Numbers
from traderv3.domain.states import State

NOW_US = 1_795_360_000_123_456


@dataclass
class Made:
    """What the picture is read from; change it as the test needs."""

    feed: Feed = field(default_factory=Feed)
    health: Health = field(default_factory=Health)
    numbers: Numbers = field(default_factory=Numbers)
    state: StateNow = field(default_factory=lambda: StateNow(State.READY, NOW_US, "2 of 2 markets live"))

    def hub(self, wall_us: Callable[[], int] = lambda: NOW_US) -> Hub:
        sources = Sources(
            environment="sim",
            started_us=NOW_US,
            wall_us=wall_us,
            feed=self.feed,
            state=lambda: self.state,
            health=lambda: self.health,
            numbers=lambda: self.numbers,
            tree=lambda: NodeReport("root", Strategy.ONE_FOR_ONE, Status.RUNNING, NOW_US, 0, None, None, ()),
            subscribers=dict,
            connection_events=[],
            rest=lambda: None,
            cross_check=lambda: None,
            dropped=lambda: 0,
            warnings=list,
        )
        return Hub(Picture(sources), epoch="e", version="0", wall_us=wall_us)


def line(text: str) -> ConsoleLine:
    return ConsoleLine(level="info", timestamp="2026-11-22T15:02:41.279Z", message=text, context="")
