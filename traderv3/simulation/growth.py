"""What grows in a trader that runs for long: its collections by owner, tasks, open streams, and the memory of the process.

Everything that can be reached from the trader by attributes is walked, `Owner.attribute` by `Owner.attribute`; what has a
bound of its own (a deque's `maxlen`) is left out, and so is what belongs to the simulation or the exchange.
Units: lengths, KiB, virtual seconds. Never: a judgement by one look; what fills up and then stays is no leak.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import trio

from traderv3.telemetry.metrics_aggregator import read_rss_mb

if TYPE_CHECKING:
    from traderv3.simulation.world import World

OURS: Final = "traderv3."
NOT_THE_TRADERS: Final = ("traderv3.simulation", "traderv3.exchange")
LOOKS_MIN: Final = 6  # as many in a row must each have found more
GROWN_MIN: Final = 50  # and so much more from the first of them to the last
RSS_GROWN_MAX_KIB: Final = 48 << 10  # of the whole process, simulation, exchange and witnesses included
BOUNDED: Final = frozenset({"Chunk._blocks"})  # the console's past fills up to so many bytes, for hours
COLLECTIONS: Final = (list, dict, set, deque)


class Growth:
    """Looks now and then, and judges in the end."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.looks: list[dict[str, int]] = []

    async def run(self, world: "World") -> None:
        """Look for as long as the world lasts."""
        while True:
            await trio.sleep(self.every_s)
            self.look(world)

    def look(self, world: "World") -> None:
        """How much of everything there is now."""
        streams = sum(connection.is_left_open for connection in world.network.connections)
        self.looks.append(
            {
                **sizes(world.trader),
                "tasks": trio.lowlevel.current_statistics().tasks_living,
                "open streams": streams,
                "rss": round(read_rss_mb() * 1024),
            }
        )

    def grown(self) -> list[str]:
        """What has grown from look to look in the later half of the run, a sentence each."""
        latest = self.looks[len(self.looks) // 2 :]
        assert len(latest) >= LOOKS_MIN, "too short a run to tell"
        found = []
        for name in sorted({name for look in latest for name in look} - BOUNDED - {"rss"}):
            counts = [look.get(name, 0) for look in latest]
            rises = sum(after > before for before, after in itertools.pairwise(counts))
            if rises >= 0.8 * (len(counts) - 1) and counts[-1] - counts[0] >= min(GROWN_MIN, 2 * len(counts)):
                found.append(f"{name} grew from {counts[0]} to {counts[-1]}")
        rss_kib = latest[-1]["rss"] - latest[0]["rss"]
        if rss_kib > RSS_GROWN_MAX_KIB:
            found.append(f"the process grew by {rss_kib} KiB")
        return found


def sizes(root: object) -> Mapping[str, int]:
    """The lengths of all collections below `root`, summed up by the class and the attribute that hold them."""
    found: dict[str, int] = {}
    seen: set[int] = {id(root)}
    todo: list[tuple[object, str]] = [(root, "")]
    while todo:
        each, name = todo.pop()
        is_bounded = isinstance(each, deque) and each.maxlen is not None
        if isinstance(each, COLLECTIONS) and not is_bounded:
            found[name] = found.get(name, 0) + len(each)
        for part, part_name in _parts(each, name):
            if id(part) not in seen and (isinstance(part, (*COLLECTIONS, tuple)) or _is_ours(part)):
                seen.add(id(part))
                todo.append((part, part_name))
    return found


def _parts(each: object, name: str) -> Iterator[tuple[Any, str]]:
    if isinstance(each, dict):
        yield from ((part, name) for part in each.values())
    elif isinstance(each, (*COLLECTIONS, tuple)):
        yield from ((part, name) for part in each)
    else:
        kind = type(each)
        slots = {slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ())}
        for attribute in (*getattr(each, "__dict__", {}), *slots):
            part = getattr(each, attribute, None)
            yield part, f"{kind.__name__}.{attribute}"
            if (owner := getattr(part, "__self__", None)) is not None:  # a method of somebody else
                yield owner, f"{kind.__name__}.{attribute}"


def _is_ours(part: object) -> bool:
    module = type(part).__module__
    return module.startswith(OURS) and not module.startswith(NOT_THE_TRADERS)
