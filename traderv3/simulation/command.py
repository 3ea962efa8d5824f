"""`traderv3 simulate`: lives through one seed and tells the story.

Exit codes: 0 every invariant held, 1 one is broken, 2 a wrong argument.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from traderv3.simulation.plan import FAULTS_S, draw_plan
from traderv3.simulation.restless import Restless
from traderv3.simulation.story import tell, verdict
from traderv3.simulation.venture import draw_venture
from traderv3.simulation.world import simulate
from traderv3.trading.strategies.spread_maker import SpreadMaker

EXIT_OK: Final = 0
EXIT_BROKEN: Final = 1
EXIT_CONFIGURATION: Final = 2
MINUTES_MAX: Final = 24 * 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--seed", type=int, required=True, metavar="N", help="which world")
    add("--minutes", type=float, default=FAULTS_S / 60, metavar="M", help="how long faults go on, virtual time (0.75)")
    add("--strategy", choices=(Restless.name, SpreadMaker.name), help="trade by this one, whatever the seed says")
    add("--trace", metavar="F", help="write every line of the trace there, too")
    add("--quiet", action="store_true", help="the verdict alone")


def main(args: argparse.Namespace) -> int:
    """Simulate; returns the exit code."""
    if not 0 < args.minutes <= MINUTES_MAX:
        print(f"traderv3 simulate: --minutes {args.minutes:g}: from 0 to {MINUTES_MAX}", file=sys.stderr)
        return EXIT_CONFIGURATION
    venture = None if args.strategy is None else draw_venture(args.seed, args.strategy)
    outcome = simulate(draw_plan(args.seed, quiet_s=args.minutes * 60, venture=venture))
    if args.trace is not None:
        try:
            Path(args.trace).write_text("\n".join(outcome.trace.lines) + "\n", encoding="utf-8")
        except OSError as cause:
            print(f"traderv3 simulate: --trace {args.trace}: {cause.strerror}", file=sys.stderr)
            return EXIT_CONFIGURATION
    for line in [verdict(outcome)] if args.quiet else tell(outcome):
        print(line)
    return EXIT_OK if outcome.broken is None else EXIT_BROKEN
