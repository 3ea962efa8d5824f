"""`traderv3 bench`: measures the speed of the checkout that it runs from.

The benchmarks are no part of the package: they need the tests, a development environment and the peers that they are
measured against. They are run from the folder `benchmarks/` beside the package, by their own runner.
Never: a figure made from anything but the code of that checkout.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

EXIT_NO_CHECKOUT: Final = 2
CHECKOUT: Final = Path(__file__).resolve().parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the runner takes."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="of those that --list shows; default: all")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: an indication only")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")


def main(args: argparse.Namespace, checkout: Path = CHECKOUT) -> int:
    """Hand the arguments to the runner; its exit code: 0, 1 if a benchmark failed, 2 for what cannot be run at all."""
    if not (checkout / "benchmarks" / "runner.py").is_file():
        print(
            f"traderv3: there are no benchmarks beside {checkout / 'traderv3'}: they come with a checkout, not with the "
            "installed package\ntraderv3: nothing was measured.",
            file=sys.stderr,
        )
        return EXIT_NO_CHECKOUT
    options = [f"--{name}" for name in ("quick", "write", "list") if getattr(args, name)]
    command = [sys.executable, "-m", "benchmarks.runner", *options, *args.names]
    return subprocess.run(command, cwd=checkout, check=False).returncode
