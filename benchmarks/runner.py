"""What `traderv3 bench` does: runs benchmarks one after the other and writes what they found into docs/performance.md.

Each is a process, `python -m benchmarks.NAME`, and hands its result over as JSON (`rounds.Result`). With `--write` the
figures stand as a table between two markers of docs/performance.md, with machine, versions and date, and as a plot beside
it; all other text of that page is written by hand. Earlier results stay for benchmarks that did not run this time.
Never: a figure of a quick run in the document.
"""

import argparse
import ast
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import NAMES
from benchmarks.rounds import Figure, Result, number
from traderv3 import bench

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "images" / "performance.svg"
RESULTS: Final = ROOT / "docs" / "performance.json"
BEGIN: Final = "<!-- written by `traderv3 bench --write`; by hand only outside -->"
END: Final = "<!-- end of what the runner writes -->"
EXIT_MISSED: Final = 1
EXIT_USAGE: Final = 2


class Run(msgspec.Struct):
    """One benchmark's result, and what it ran on."""

    result: Result
    at: str
    machine: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is named, or everything; 1 if one failed or missed a promise."""
    parser = argparse.ArgumentParser(
        prog="traderv3 bench", description="Measure speed, against others in the same run."
    )
    bench.add_arguments(parser)
    args = parser.parse_args(argv)
    if args.list:
        for name in NAMES:
            print(f"{name:20} {_about(name)}")
        return 0
    if unknown := [name for name in args.names if name not in NAMES]:
        print(f"traderv3 bench: no such benchmark: {', '.join(unknown)}; --list says which there are", file=sys.stderr)
        return EXIT_USAGE
    if args.quick and args.write:
        print("traderv3 bench: figures of a quick run are not written", file=sys.stderr)
        return EXIT_USAGE
    runs, failed = _run_all(args.names or NAMES, is_quick=args.quick)
    if args.write and runs:
        write(runs)
    if failed:
        print(f"traderv3 bench: failed or missed: {', '.join(failed)}", file=sys.stderr)
    return EXIT_MISSED if failed else 0


def _about(name: str) -> str:
    """The first line of the benchmark's docstring."""
    doc = ast.get_docstring(ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text())) or ""
    return doc.split("\n", maxsplit=1)[0]


def _run_all(names: Sequence[str], *, is_quick: bool) -> tuple[dict[str, Run], list[str]]:
    runs: dict[str, Run] = {}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"== {name}: {_about(name)}", flush=True)
            out = Path(folder) / f"{name}.json"
            command = [
                sys.executable,
                "-m",
                f"benchmarks.{name}",
                "--json",
                str(out),
                *(["--quick"] if is_quick else []),
            ]
            if subprocess.run(command, cwd=ROOT, check=False).returncode:
                failed.append(name)
            if out.exists():
                result = msgspec.json.decode(out.read_bytes(), type=Result)
                runs[name] = Run(result, dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"), _machine())
    return runs, failed


def _machine() -> str:
    """Processor, cores, memory and system, as a table shows them."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{model}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {platform.system()} {platform.release()}"


# -- the document ------------------------------------------------------------------------------------------------------


def write(runs: dict[str, Run]) -> None:
    """Put the figures into the page, the plot and the file of results that both are made from."""
    known = msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Run]) if RESULTS.exists() else {}
    known = {name: (known | runs)[name] for name in NAMES if name in known | runs}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(known)) + b"\n")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{PAGE.name} has lost its markers"
    PAGE.write_text(f"{before}{BEGIN}\n{table(known)}\n{END}{after}")
    if "feed" in known:
        from benchmarks.plot import draw  # noqa: PLC0415 - matplotlib takes its time

        draw(known["feed"].result, PLOT)
    print(f"written: {PAGE.relative_to(ROOT)}")


def table(runs: dict[str, Run]) -> str:
    """The figures as Markdown: first what must hold, then the rest of each benchmark."""
    promises = [figure for run in runs.values() for figure in run.result.figures if figure.goal]
    rows = [f"| {each.name} | {_measured(each)} | {each.goal} | {_verdict(each)} |" for each in promises]
    parts = ["\n".join(["| what must hold | measured | goal | |", "|---|---|---|---|", *rows])]
    for name, run in runs.items():
        result = run.result
        versions = ", ".join(f"{package} {version}" for package, version in sorted(result.versions.items()))
        lines = [f"**{name}**: {result.rounds} rounds, {run.at}; {run.machine}; {versions}."]
        lines += [f"Absent: {peer} ({why})." for peer, why in result.absent.items()]
        rows = [
            f"| {figure.name} | {_measured(figure)} | {figure.note} |" for figure in result.figures if not figure.goal
        ]
        if rows:
            lines += ["", "| figure | measured | |", "|---|---|---|", *rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _measured(figure: Figure) -> str:
    value = figure.value
    rounds = "" if value.low == value.high else f" ({number(value.low)} to {number(value.high)})"
    return f"{number(value.median)} {figure.unit}{rounds}"


def _verdict(figure: Figure) -> str:
    return "kept" if figure.is_met else "**missed**"


if __name__ == "__main__":
    sys.exit(main())
