"""The commands: `traderv3 run`, `record`, `replay`, `simulate`, `exchange`, `logs`, `check`, `export`, `bench`; and those
that act on a running trader: `status`, `orders`, `positions`, `halt`, `resume`.

Exit codes: 0 asked to stop and stopped clean; 1 a bug or an escalation; 2 configuration, a taken port included;
3 the venue refused us for good; 130 interrupted twice.
Never: logic. A command reads its arguments, imports what it runs (and only that, so that start-up stays fast) and
hands over.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from traderv3 import __version__
from traderv3.config.environment import Environment, Orders
from traderv3.config.problems import ConfigurationProblems, Problem
from traderv3.config.settings import Settings, load

EXIT_OK: Final = 0
EXIT_CONFIGURATION: Final = 2
EXIT_INTERRUPTED: Final = 130

OPERATOR_COMMANDS: Final = {
    "status": "one block about a running trader, to copy and paste",
    "orders": "its open orders",
    "positions": "what it holds, profit and loss",
    "halt": "stop trading at once: cancel everything, send nothing; also when the trader does not answer",
    "resume": "let trading go on after a halt or a pause",
}
_ENVIRONMENT_HELP: Final = f"{', '.join(Environment)}; default: the variable ENVIRONMENT, else paper"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_run = arguments[:1] == ["run"]
    if is_run:
        signal.signal(signal.SIGTERM, _interrupt)  # until the trader hears signals itself
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return EXIT_OK if is_run else EXIT_INTERRUPTED  # a trader was asked to stop; another command did not finish


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _main(arguments: Sequence[str]) -> int:
    args = _parser(arguments[0] if arguments else "").parse_args(arguments)
    match args.command:
        case "run":
            return _run(args)
        case "check":
            return _check(args)
        case "logs":
            from traderv3.telemetry import logs_command

            return logs_command.main(args)
        case "export":
            from traderv3.storage import export_command

            return export_command.main(args)
        case "record":
            return _record(args)
        case "replay":
            from traderv3 import replay

            settings = _load(args, {"V3_PORT": args.port})
            return EXIT_CONFIGURATION if settings is None else replay.main(args, settings)
        case "exchange":
            from traderv3.exchange import command

            return command.main(args)
        case "simulate":
            from traderv3.simulation import command as simulation

            return simulation.main(args)
        case "bench":
            from traderv3 import bench

            return bench.main(args)
        case "status" | "orders" | "positions" | "halt" | "resume":
            from traderv3.operator import command as operator

            return operator.main(args, lambda: _load(args, {}))
    raise AssertionError(args.command)


def _parser(chosen: str) -> argparse.ArgumentParser:
    """The commands' arguments. Those that another room declares are loaded only for the `chosen` command."""
    parser = argparse.ArgumentParser(prog="traderv3", description="A live trader for Kalshi event contracts.")
    parser.add_argument("--version", action="version", version=f"traderv3 {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="the trader")
    run.add_argument("environment", nargs="?", metavar="ENV", help=_ENVIRONMENT_HELP)
    run.add_argument("--markets", metavar="LIST", help="tickers with commas between them, auto or auto:N (V3_MARKETS)")
    run.add_argument("--port", metavar="PORT", help="where the console is served; 0 for any free port (V3_PORT)")
    run.add_argument("--strategy", metavar="NAME", help="the strategy that may trade; default: hold, which never does")
    run.add_argument("--strategy-file", metavar="F", help="its parameters, and the limits of risk (V3_STRATEGY_FILE)")

    check = commands.add_parser("check", help="is the configuration sound, and does the venue accept it?")
    check.add_argument("environment", nargs="?", metavar="ENV", help=_ENVIRONMENT_HELP)
    check.add_argument("--offline", action="store_true", help="look at the configuration only")

    export = commands.add_parser("export", help="bars, trades, books and transitions out of the database")
    if chosen == "export":
        from traderv3.storage import export_command

        export_command.add_arguments(export)

    record = commands.add_parser("record", help="the trader, with every frame into one file")
    record.add_argument("environment", nargs="?", metavar="ENV", help=_ENVIRONMENT_HELP)
    record.add_argument("--markets", metavar="LIST", help="as for run")
    record.add_argument("--port", metavar="PORT", help="as for run")
    record.add_argument("--out", metavar="F", required=True, help="a new file: .jsonl.zst")
    record.add_argument("--for", metavar="SECONDS", type=float, dest="seconds", help="stop after so long")

    replaying = commands.add_parser("replay", help="a recording or a journal, through the live code path")
    if chosen == "replay":
        from traderv3 import replay

        replaying.set_defaults(environment="sim")
        replay.add_arguments(replaying)

    exchange = commands.add_parser("exchange", help="the embedded exchange alone, for any Kalshi client")
    if chosen == "exchange":
        from traderv3.exchange import command

        command.add_arguments(exchange)

    simulate = commands.add_parser("simulate", help="the whole trader in a world of faults drawn from a seed")
    if chosen == "simulate":
        from traderv3.simulation import command as simulation

        simulation.add_arguments(simulate)

    for name, what in OPERATOR_COMMANDS.items():
        asking = commands.add_parser(name, help=what)
        asking.add_argument("environment", nargs="?", metavar="ENV", help=_ENVIRONMENT_HELP)
        if chosen == name:
            from traderv3.operator import command as operator

            operator.add_arguments(asking, name)

    bench = commands.add_parser("bench", help="measure the speed of this checkout, against others in the same run")
    if chosen == "bench":
        from traderv3 import bench as benchmarks

        benchmarks.add_arguments(bench)

    logs = commands.add_parser("logs", help="show or follow the structured log")
    if chosen == "logs":
        from traderv3.telemetry import logs_command

        logs_command.add_arguments(logs)
    return parser


def _run(args: argparse.Namespace) -> int:
    overrides = {"V3_MARKETS": args.markets, "V3_PORT": args.port, "V3_STRATEGY_FILE": args.strategy_file}
    settings = _load(args, overrides, strategy=args.strategy)
    if settings is None:
        return EXIT_CONFIGURATION
    from traderv3.run import run_trader

    return run_trader(settings)


def _record(args: argparse.Namespace) -> int:
    settings = _load(args, {"V3_MARKETS": args.markets, "V3_PORT": args.port})
    if settings is None:
        return EXIT_CONFIGURATION
    out = Path(args.out)
    if out.suffix != ".zst" or out.exists():
        print(
            f"traderv3: --out {out}: must end in .zst and not exist yet\ntraderv3: nothing was started.",
            file=sys.stderr,
        )
        return EXIT_CONFIGURATION
    from traderv3.run import run_trader

    return run_trader(settings, record_to=out, for_s=args.seconds)


def _check(args: argparse.Namespace) -> int:
    settings = _load(args, {})
    if settings is None:
        return EXIT_CONFIGURATION
    for line in _summary(settings):
        print(line)
    if args.offline:
        return EXIT_OK
    import trio

    from traderv3.clients.venue_check import check_venue
    from traderv3.core.clock import wall_us

    return trio.run(partial(check_venue, settings, print, wall_us=wall_us))


def _load(
    args: argparse.Namespace, overrides: Mapping[str, str | None], strategy: str | None = None
) -> Settings | None:
    """The checked settings, or None after every problem was printed."""
    from traderv3.trading.strategies import DEFAULTS

    try:
        settings = load(
            environment=args.environment,
            overrides={name: value for name, value in overrides.items() if value is not None},
            process=os.environ,
            directory=Path.cwd(),
            check_key=_why_unusable,
            strategy=strategy,
            strategies=DEFAULTS,
        )
    except ConfigurationProblems as found:
        _print_all("warning", found.warnings)
        _print_all("problem", found.problems)
        print("traderv3: nothing was started.", file=sys.stderr)
        return None
    _print_all("warning", settings.warnings)
    return settings


def _why_unusable(pem: str) -> str | None:
    """Why a private key cannot be used, or None. Imported here: `config` does not know what a signature is."""
    from traderv3.protocol.signing import KeyProblem, load_private_key

    try:
        load_private_key(pem)
    except KeyProblem as cause:
        return str(cause)
    return None


def _print_all(word: str, problems: Sequence[Problem]) -> None:
    for problem in problems:
        print(f"traderv3: {word}: {problem.variable}: {problem.what}\n    {problem.how}", file=sys.stderr)


def _summary(settings: Settings) -> list[str]:
    """The configuration as a person checks it: where to, with which key, and what becomes of an order."""
    own = "its own exchange, started with it"
    trading = "allowed" if settings.may_trade else "off"
    if settings.may_trade and settings.environment.policy.orders is Orders.REAL:
        trading = "ALLOWED, WITH REAL MONEY"
    key = settings.credentials.key_id if settings.credentials else "of the embedded exchange"
    return [
        f"environment  {settings.environment} ({settings.environment.policy.orders.value})",
        f"REST         {settings.api or own}",
        f"WebSocket    {settings.ws or own}",
        f"key id       {key}",
        f"trading      {trading}; strategy {settings.strategy}",
        f"markets      {settings.markets}",
        f"console      {settings.console_url(settings.port)}",
        f"data         {settings.data_dir}",
        "The configuration is sound.",
    ]
