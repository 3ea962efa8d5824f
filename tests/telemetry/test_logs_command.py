"""`traderv3 logs`: filters, rotation, foreign lines, and arguments that cannot be used."""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.telemetry.log_file import LogFile
from traderv3.telemetry.log_tail import LogTail
from traderv3.telemetry.logs_command import Filters, Printer, add_arguments, main, parse_line

NOW = datetime(2026, 11, 22, 15, 2, 41, tzinfo=UTC)


def line(second: int, level: str = "info", component: str = "feed", event: str = "tick") -> bytes:
    at = f"2026-11-22T15:02:{second:02d}.000Z"
    return json.dumps({"timestamp": at, "level": level, "component": component, "event": event, "n": second}).encode()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    lines = [line(1), line(2, "warning"), line(3, "error", "engine", "refused"), b'{"torn', line(4, component="engine")]
    (tmp_path / "logs" / "sim.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return tmp_path


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, list[bytes], str]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    code = main(parser.parse_args(arguments))
    out, err = capfdbinary.readouterr()
    return code, out.splitlines(), err.decode()


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ([], [1, 2, 3, 4]),
        (["--level", "warning"], [2, 3]),
        (["--component", "engine"], [3, 4]),
        (["--component", "engine", "--level", "ERROR"], [3]),
        (["--since", "2026-11-22T15:02:03Z"], [3, 4]),
        (["--grep", "ref.sed"], [3]),
        (["--grep", "n=2"], [2]),
        (["--tail", "1"], [4]),
    ],
)
def test_what_passes_the_filters(
    data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], seconds: list[int]
) -> None:
    code, out, _ = run(capfdbinary, "--data-dir", str(data_dir), "--json", *arguments)

    assert code == 0
    assert [json.loads(raw)["n"] for raw in out if raw != b'{"torn'] == seconds


def test_json_is_untouched_and_a_foreign_line_is_counted(
    data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    _, out, err = run(capfdbinary, "--data-dir", str(data_dir), "--json")

    assert out == (data_dir / "logs" / "sim.jsonl").read_bytes().splitlines()
    assert "1 line(s) torn or not ours" in err


def test_text_is_as_on_the_terminal(data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, out, _ = run(capfdbinary, "--data-dir", str(data_dir), "--level", "error")

    assert out == [b"[15:02:03] error    engine               refused n=3", b'{"torn']


def test_the_log_written_last_is_shown(data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    paper = data_dir / "logs" / "paper.jsonl"
    paper.write_bytes(line(9) + b"\n")
    os.utime(data_dir / "logs" / "sim.jsonl", (1, 1))

    assert len(run(capfdbinary, "--data-dir", str(data_dir))[1]) == 1
    assert len(run(capfdbinary, "--data-dir", str(data_dir), "--environment", "sim")[1]) == 5


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--grep", "("], "not a regular expression"),
        (["--since", "25:00"], "neither RFC 3339 nor"),
        (["--since", "999999d"], "neither RFC 3339 nor"),
        (["--level", "loud"], "none of debug, info"),
        (["--environment", "papr"], "did you mean paper?"),
        (["--environment", "local"], "there is no log"),
    ],
)
def test_what_cannot_be_used_is_said(
    data_dir: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], reason: str
) -> None:
    code, out, err = run(capfdbinary, "--data-dir", str(data_dir), *arguments)

    assert (code, out) == (2, [])
    assert reason in err


@given(st.binary())
def test_no_line_whatever_crashes(raw: bytes) -> None:
    out = io.BytesIO()
    printer = Printer(out, Filters(), is_json=False, is_coloured=True)
    printer.show(raw.split(b"\n"))

    assert printer.foreign == sum(parse_line(part) is None for part in raw.split(b"\n") if part.strip())


@pytest.mark.parametrize("reads_after", [1, 2, 3, 5])
def test_following_misses_nothing_across_rotations(tmp_path: Path, reads_after: int) -> None:
    file = LogFile(tmp_path / "x.jsonl", bytes_max=30, files_kept=5)
    tail = LogTail(tmp_path / "x.jsonl")
    seen: list[bytes] = []
    for number in range(60):
        file.write(b"line %04d\n" % number)
        if number % reads_after == 0:
            seen += tail.lines()
    seen += tail.lines()
    tail.close()
    file.close()

    assert seen == [b"line %04d" % number for number in range(60)]


def test_a_half_written_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    tail = LogTail(path)
    assert list(tail.lines()) == []
    path.write_bytes(b"one\ntw")
    assert list(tail.lines()) == [b"one"]
    with path.open("ab") as file:
        file.write(b"o\n")

    assert list(tail.lines()) == [b"two"]
    tail.close()


@pytest.fixture
def following(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "traderv3", "logs", "-f", "--data-dir", str(data_dir), "--json"]
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background has it ignored, and so its children
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    with process:
        yield process
        process.kill()


@pytest.mark.process
def test_following_ends_with_0_when_asked_to_stop(following: subprocess.Popen[bytes], data_dir: Path) -> None:
    assert following.stdout is not None
    shown = [following.stdout.readline() for _ in range(5)]
    with (data_dir / "logs" / "sim.jsonl").open("ab") as file:
        file.write(line(7) + b"\n")
    shown.append(following.stdout.readline())
    following.send_signal(signal.SIGINT)

    assert shown[-1] == line(7) + b"\n"
    assert following.wait(10) == 0


@pytest.mark.process
def test_a_reader_that_leaves_ends_it_quietly(following: subprocess.Popen[bytes], data_dir: Path) -> None:
    assert following.stdout is not None
    assert following.stderr is not None
    following.stdout.readline()
    following.stdout.close()
    with (data_dir / "logs" / "sim.jsonl").open("ab") as file:
        file.write(line(7) + b"\n")

    assert following.wait(10) == 0
    assert b"Traceback" not in following.stderr.read()
