"""The commands `status`, `orders`, `positions`, `halt` and `resume`: arguments in, lines and an exit code out.

Exit codes: 0 done; 1 the trader does not answer, refuses, or a halt is not certain; 2 configuration.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from traderv3.config.environment import Orders
from traderv3.config.problems import ConfigurationProblems
from traderv3.config.settings import Settings
from traderv3.config.whereabouts import Whereabouts, find_trader
from traderv3.operator.api import CommandDenied, NoAnswer, TraderApi
from traderv3.operator.text import order_lines, position_lines, status_block

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 2
# What a trader's answer to `halt` says (`console.verbs`, which is not imported: a halt is not held up).
NOT_CARRIED: Final = "this trader carries no orders"
NOT_CERTAIN: Final = ("may still rest", "the venue's own word is waited for")


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Declare one command's arguments."""
    parser.add_argument(
        "--port", metavar="PORT", help="where the trader serves; default: as it said itself at its start"
    )
    if command in ("status", "orders", "positions"):
        parser.add_argument("--json", action="store_true", help="as the trader says it")
    if command == "orders":
        parser.add_argument("--all", action="store_true", help="the latest that are over as well")
    if command in ("halt", "resume"):
        parser.add_argument(
            "--reason", default=f"traderv3 {command}", help="for the audit, and for whoever looks later"
        )
    if command == "resume":
        parser.add_argument("--confirm", metavar="TEXT", help="what is otherwise asked for: RESUME and the environment")


def main(args: argparse.Namespace, load_settings: Callable[[], Settings | None]) -> int:
    """Carry out `args.command`. `load_settings` reads the configuration, or prints why not; only a halt may need it."""
    try:
        trader = find_trader(args.environment, os.environ, Path.cwd(), args.port)
    except ConfigurationProblems as found:
        for problem in found.problems:
            _complain(str(problem))
        return EXIT_CONFIGURATION
    try:
        match args.command:
            case "halt":
                return _halt(trader, args.reason, load_settings)
            case "resume":
                return _resume(trader, args.reason, args.confirm)
            case _:
                return _show(trader, args)
    except (NoAnswer, CommandDenied) as cause:
        _complain(str(cause))
        return EXIT_FAILED


def _show(trader: Whereabouts, args: argparse.Namespace) -> int:
    status = TraderApi(trader).status()
    if args.json:
        of = {"status": status, "orders": status["trading"]["orders"], "positions": status["trading"]["positions"]}
        _say(json.dumps(of[args.command]))
        return EXIT_OK
    match args.command:
        case "status":
            lines = status_block(status)
        case "orders":
            lines = order_lines(status, has_all=args.all)
        case _:
            lines = position_lines(status)
    for line in lines:
        _say(line)
    return EXIT_OK


def _halt(trader: Whereabouts, reason: str, load_settings: Callable[[], Settings | None]) -> int:
    """Through the trader if it answers, else without it; the venue too, where the trader has no way to it."""
    api = TraderApi(trader)
    is_kept = False
    try:
        api.health()
        said = api.command("halt", f"HALT {trader.environment.upper()}", reason=reason)
    except NoAnswer as cause:
        _say(f"{cause}; halting without it")
    except CommandDenied as cause:
        _say(f"the trader does not halt as asked: {cause}; halting without it")
    else:
        _say(said)
        is_kept = True
        if NOT_CARRIED not in said:
            return EXIT_FAILED if any(words in said for words in NOT_CERTAIN) else EXIT_OK
        if trader.environment.policy.orders is Orders.SHADOW:
            return EXIT_OK
        _say("orders of an earlier run may rest: cancelling from here")
    from traderv3.operator.without_trader import halt_without  # noqa: PLC0415  # a halt that is heard is not held up

    return halt_without(trader, reason, load_settings, _say, is_kept=is_kept)


def _resume(trader: Whereabouts, reason: str, confirm: str | None) -> int:
    api = TraderApi(trader)
    expected = f"RESUME {trader.environment.upper()}"
    if confirm is None:
        risk = api.status()["risk"]
        _say(f"trading is {risk['mode']} by {risk['by']} since {risk['since']}: {risk['reason']}")
        _say(f"Type {expected} to let it go on:")
        confirm = sys.stdin.readline().strip()
    _say(api.command("resume", confirm, reason=reason))
    return EXIT_OK


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(line: str) -> None:
    print(f"traderv3: {line}", file=sys.stderr)
