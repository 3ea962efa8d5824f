"""One run as a person reads it: what was done to the trader, what it did and said, and what came of it."""

from collections.abc import Iterator
from typing import Final

from traderv3.simulation.plan import ALL_KINDS
from traderv3.simulation.world import Outcome

TOLD: Final = ("fault", "log", "broken")
_MARKS: Final = {"fault": "!!", "broken": "XX", "log": "  "}
_KIND_AT: Final = 11  # where a line of the trace says of what kind it is
_TEXT_AT: Final = 18


def tell(outcome: Outcome) -> Iterator[str]:
    """The story, line by line; the last one is the verdict."""
    plan = outcome.plan
    yield f"seed {plan.seed}: {len(plan.markets)} markets at the exchange, wanted {plan.wanted}"
    yield f"connections {plan.connections or 'by number of markets'}, {plan.browsers} browsers, {len(plan.faults)} faults"
    for kind in dict.fromkeys(fault.kind for fault in plan.faults):
        yield f"  {kind}: {ALL_KINDS[kind].meaning}"
    for line in outcome.trace.lines:
        kind = line[_KIND_AT:_TEXT_AT].strip()
        if kind in TOLD:
            yield f"{line[:_KIND_AT]} {_MARKS[kind]} {line[_TEXT_AT:]}"
    facts = ", ".join(f"{name} {value}" for name, value in outcome.facts.items())
    yield f"{outcome.virtual_s:.1f} virtual seconds: {facts}"
    yield verdict(outcome)


def verdict(outcome: Outcome) -> str:
    """One sentence."""
    if outcome.broken is None:
        return f"seed {outcome.plan.seed}: every invariant held"
    return f"seed {outcome.plan.seed}: BROKEN {outcome.broken}"
