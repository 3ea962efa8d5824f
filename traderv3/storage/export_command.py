"""`traderv3 export`: bars, trades, books, transitions, gaps and connections out of the database, to CSV or Parquet.

The database is an environment's (as its trader would choose it: `V3_DATABASE_URL`, else the file in the data directory)
or the one behind a URL. It is only read, and may be in use.
Exit codes: 0 written, also if there was nothing to write; 1 the database or the file cannot be used; 2 arguments.
"""

import argparse
import contextlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from traderv3.config.environment import UnknownEnvironment, parse_environment
from traderv3.config.problems import Findings
from traderv3.config.settings import find_data_dir
from traderv3.config.sources import open_sources
from traderv3.domain.timestamps import TIME_FORMS, TimeUnreadable, parse_time
from traderv3.storage.database import DatabaseProblem, DatabaseTrouble, RowsRefused, open_driver
from traderv3.storage.export import FORMATS, SOURCES, ExportProblem, Format, Selection, export

EXIT_OK: Final = 0
EXIT_TROUBLE: Final = 1
EXIT_ARGUMENTS: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `traderv3 export`."""
    parser.add_argument(
        "database", nargs="?", metavar="ENV|URL", help="an environment, or sqlite:///… or postgresql://…"
    )
    parser.add_argument("--what", choices=SOURCES, required=True, help="books are the best bid of each side, sampled")
    parser.add_argument("--since", metavar="T", help=f"from then on: {TIME_FORMS}")
    parser.add_argument("--until", metavar="T", help="up to then, in the same forms")
    parser.add_argument("--ticker", metavar="LIST", action="append", default=[], help="only these markets, with commas")
    parser.add_argument("--format", choices=FORMATS, help="default: by the ending of the file")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where to; what is there is replaced")


def main(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    now = datetime.now(UTC)
    try:
        environment, url = find_database(args.database)
        chosen = Selection(
            since_us=parse_time(args.since, now) if args.since else None,
            until_us=parse_time(args.until, now) if args.until else None,
            tickers=tuple(ticker for listed in args.ticker for ticker in listed.split(",") if ticker),
            environment=environment,
        )
        driver = open_driver(url, is_readonly=True)
        with contextlib.closing(driver):
            form: Format = args.format or ("parquet" if args.out.suffix == ".parquet" else "csv")
            count = export(driver, args.what, chosen, args.out, form)
    except (ExportProblem, DatabaseProblem, TimeUnreadable) as cause:
        return _end(EXIT_ARGUMENTS, str(cause))
    except (DatabaseTrouble, RowsRefused) as cause:
        return _end(EXIT_TROUBLE, str(cause))
    except OSError as cause:
        return _end(EXIT_TROUBLE, f"{args.out} cannot be written: {cause.strerror or cause}")
    return _end(
        EXIT_OK, f"{count} {args.what} in {args.out}" if count else f"no {args.what} there; {args.out} is empty"
    )


def find_database(asked: str | None) -> tuple[str | None, str]:
    """The environment (None for a URL) and the database's URL. Raises `ExportProblem`."""
    if asked is not None and "://" in asked:
        return None, asked
    try:
        named = parse_environment(asked) if asked else None
    except UnknownEnvironment as cause:
        raise ExportProblem(str(cause)) from None
    environment, sources = open_sources(named, {}, os.environ, Path.cwd(), Findings())
    if environment is None:
        msg = "the variable ENVIRONMENT names no environment; name one, or a URL"
        raise ExportProblem(msg)
    file = find_data_dir(environment, os.environ, Path.cwd()) / f"{environment}.db"
    return environment.value, sources.get("V3_DATABASE_URL") or f"sqlite:///{file}"


def _end(code: int, text: str) -> int:
    sys.stderr.write(f"traderv3 export: {text}\n")
    return code
