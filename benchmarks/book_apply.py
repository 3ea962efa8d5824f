"""Book apply and best bid and ask, without a wire: ours against nautilus_trader's OrderBook through its Python API.

Both take the same changes in their own units, prepared beforehand, and end with the same levels. Theirs takes a delta
object, which is built in the loop, as whoever reads a wire has to.
Run: python -m benchmarks.book_apply [--quick]
"""

import sys
from functools import partial
from typing import Final

from benchmarks.feed import agree, say_who
from benchmarks.peers.environment import candidates
from benchmarks.peers.work import Job
from benchmarks.rounds import Report, arguments, in_turns, ratio, spread

MARKETS: Final = 50
MESSAGES: Final = 100_000
QUICK_MESSAGES: Final = 20_000
MUST: Final = 2.0
NAUTILUS: Final = "nautilus_trader"
OURS: Final = "ours"


def main() -> int:
    args = arguments(__doc__, rounds=5)
    report = Report("book_apply", args)
    job = Job("", MARKETS, QUICK_MESSAGES if args.is_quick else MESSAGES, None, "", None)
    with candidates([NAUTILUS], {OURS: ("benchmarks.our_book",)}) as (running, absent):
        say_who(report, running.values(), absent)
        answers = in_turns({name: partial(each.do, job) for name, each in running.items()}, rounds=args.rounds)
    agree(answers)
    took = {name: [answer["wall_us"] for answer in each] for name, each in answers.items()}
    for name, each in took.items():
        report.figure(f"book apply and best: {name}", spread(each), "us a change")
    if NAUTILUS in took:
        report.figure(
            f"book apply and best: ours to {NAUTILUS}", ratio(took[NAUTILUS], took[OURS]), "times", at_least=MUST
        )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
