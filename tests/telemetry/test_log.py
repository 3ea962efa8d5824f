"""The log: complete, in order, free of secrets, and never in the way of whoever logs."""

import io
import json
import logging
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from traderv3.config.environment import Environment
from traderv3.config.secret import Secret
from traderv3.telemetry.log import Log, open_log
from traderv3.telemetry.log_file import LogFile, rotated
from traderv3.telemetry.log_redaction import MASK, Redactor, is_secret_name
from traderv3.telemetry.log_text import render
from traderv3.telemetry.log_writer import LogWriter

AT_US = 1_795_359_761_279_123  # 2026-11-22T15:02:41.279Z
feed = structlog.get_logger(component="feed")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def open_at(path: Path, terminal: io.StringIO | None = None, **more: Any) -> Log:
    return Log(LogFile(path), terminal, "info", now_us=lambda: AT_US, **more)


class HeldTerminal(io.StringIO):
    """A terminal on which somebody pressed Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.is_held = threading.Event()
        self.may_go = threading.Event()

    def write(self, text: str) -> int:
        self.is_held.set()
        assert self.may_go.wait(10)
        return super().write(text)


def test_a_line_is_json_in_the_file_and_text_on_the_terminal(tmp_path: Path) -> None:
    terminal = io.StringIO()
    with open_at(tmp_path / "sim.jsonl", terminal):
        feed.info("subscribed", markets=15, note="a b")
        feed.debug("too fine")

    assert (tmp_path / "sim.jsonl").read_text() == (
        '{"timestamp":"2026-11-22T15:02:41.279Z","level":"info","component":"feed","event":"subscribed",'
        '"markets":15,"note":"a b"}\n'
    )
    assert terminal.getvalue() == '[15:02:41] info     feed                 subscribed markets=15 note="a b"\n'


def test_a_transition_reads_as_in_the_original(tmp_path: Path) -> None:
    terminal = io.StringIO()
    with open_at(tmp_path / "sim.jsonl", terminal):
        feed.info("state_transition", from_state="startup", to_state="initializing", context="configuration read")

    assert terminal.getvalue() == "[15:02:41] STATE TRANSITION: startup → initializing\n           configuration read\n"


def test_colour_is_for_those_who_ask_and_never_carries_a_venues_escape() -> None:
    line = {
        "timestamp": "2026-11-22T15:02:41.279Z",
        "level": "error",
        "component": "x",
        "event": "\x1b[2Jgone\n[forged",
    }

    assert "\x1b" not in render(line, is_coloured=False)
    assert "\\x1b[2Jgone\\x0a[forged" in render(line, is_coloured=True)
    assert render(line, is_coloured=True).count("\n") == 0


def test_open_log_writes_below_the_data_directory(tmp_path: Path) -> None:
    with open_log(Environment.PAPER, tmp_path, terminal=io.StringIO()) as log:
        feed.warning("slow")
        assert log.flush()
        assert log.path == tmp_path / "logs" / "paper.jsonl"

    assert lines_of(tmp_path / "logs" / "paper.jsonl")[0]["event"] == "slow"
    assert (tmp_path / "logs" / "paper.jsonl").stat().st_mode & 0o077 == 0


def test_a_field_cannot_replace_what_the_log_says_itself(tmp_path: Path) -> None:
    with open_at(tmp_path / "sim.jsonl"):
        feed.info("x", timestamp="never", level="quiet")

    line = lines_of(tmp_path / "sim.jsonl")[0]
    assert (line["timestamp"], line["level"]) == ("2026-11-22T15:02:41.279Z", "info")
    assert (line["timestamp_"], line["level_"]) == ("never", "quiet")


def test_an_exception_keeps_its_traceback_and_its_group(tmp_path: Path) -> None:
    terminal = io.StringIO()
    with open_at(tmp_path / "sim.jsonl", terminal):
        feed.error("crashed", exc_info=ExceptionGroup("two", [ValueError("first"), OSError("second")]))

    exception = lines_of(tmp_path / "sim.jsonl")[0]["exception"]
    assert "first" in exception
    assert "second" in exception
    assert "\n           " in terminal.getvalue()


def test_libraries_and_warnings_come_in_under_their_names(tmp_path: Path) -> None:
    odd = logging.makeLogRecord({"name": "odd", "levelno": logging.ERROR, "msg": "%d", "args": ("not a number",)})
    with open_at(tmp_path / "sim.jsonl") as log:
        logging.getLogger("hypercorn.error").warning("bound to %s", "port")
        logging.getLogger("httpx2").info("GET with everything in it")
        logging.getLogger("py.warnings").warning("RuntimeWarning: was never awaited")
        log._handler.emit(odd)

    found = [(line["level"], line["component"], line["event"]) for line in lines_of(tmp_path / "sim.jsonl")]
    assert found == [
        ("warning", "hypercorn", "bound to port"),
        ("warning", "python", "RuntimeWarning: was never awaited"),
        ("error", "odd", "%d"),
    ]


def test_the_tap_sees_what_the_file_sees(tmp_path: Path) -> None:
    seen: list[tuple[Any, ...]] = []
    with open_at(tmp_path / "sim.jsonl", tap=lambda *parts: seen.append(parts), secrets=["hunter22"]):
        feed.warning("refused", reason="hunter22", token="abc")

    assert seen == [("warning", "2026-11-22T15:02:41.279Z", "feed", "refused", {"reason": MASK, "token": MASK})]


def test_no_secret_reaches_file_or_terminal(tmp_path: Path) -> None:
    body = "MC4CAQAwBQYDK2VwBCIEIsecret\nAnotherLineOfTheSameSecret"
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    terminal = io.StringIO()
    with open_at(tmp_path / "sim.jsonl", terminal, secrets=[pem]) as log:
        log.hide("late-token")
        feed.info("a", text=f"x {pem} y", escaped=pem.replace("\n", "\\n"), line="MC4CAQAwBQYDK2VwBCIEIsecret")
        feed.info("b late-token", nested={"deep": ["late-token", {"late-token": 1}]}, private_key=b"bytes")
        feed.info("c", error=ValueError(f"bad {pem}"), wrapped=Secret("late-token"), headers={"Authorization": "x1y2"})
        feed.info("d", other="-----BEGIN RSA PRIVATE KEY-----\nunregistered\n-----END RSA PRIVATE KEY-----")

    shown = terminal.getvalue() + (tmp_path / "sim.jsonl").read_text()
    leaks = ("secret", "SameSecret", "late-token", "bytes", "x1y2", "unregistered")
    assert [leak for leak in leaks if leak in shown] == []
    assert shown.count(MASK) >= 16


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("token", True),
        ("control_token", True),
        ("privateKey", True),
        ("KALSHI-ACCESS-KEY", True),
        ("KALSHI-ACCESS-SIGNATURE", True),
        ("KALSHI_PRIVATE_KEY_CONTENT", True),
        ("client_secret", True),
        ("password", True),
        ("key_id", False),
        ("private_key_path", False),
        ("monkey", False),
        ("keyboard", False),
        ("market_ticker", False),
        ("", False),
    ],
)
def test_which_names_hold_secrets(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret


def test_a_number_is_no_secret() -> None:
    assert Redactor().fields({"tokens": 10, "key": None}) == {"tokens": 10, "key": None}


class Unprintable:
    def __str__(self) -> str:
        msg = "no"
        raise ValueError(msg)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(Unprintable()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(fields=st.dictionaries(st.text(), JSON_LIKE), event=st.text())
@example(fields={"exc_info": (None,)}, event="")
def test_no_fields_whatever_raise_or_cannot_be_written(fields: dict[str, Any], event: str) -> None:
    terminal = io.StringIO()
    log = Log(None, terminal, "info", secrets=["hunter22"])
    log.emit("info", "feed", event, fields)
    log.close()

    assert log.statistics().written == 1
    assert terminal.getvalue().endswith("\n")


def test_the_file_rotates_and_keeps_a_bounded_number(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "x.jsonl", bytes_max=100, files_kept=3)
    for number in range(50):
        file.write(b'{"number": %3d, "padding": "..........."}\n' % number)
    file.close()

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["x.jsonl", "x.jsonl.1", "x.jsonl.2"]
    kept = b"".join(rotated(tmp_path / "x.jsonl", index).read_bytes() for index in (2, 1, 0)).splitlines()
    assert [json.loads(line)["number"] for line in kept] == list(range(50 - len(kept), 50))
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())


def test_a_file_that_was_taken_away_is_made_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "logs" / "x.jsonl")
    file.write(b"1\n")
    file.path.rename(tmp_path / "elsewhere")
    file.write(b"2\n")
    file.path.unlink()
    file.write(b"3\n")
    file.close()

    assert file.path.read_bytes() == b"3\n"


def test_a_torn_line_of_a_dead_process_ends_before_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"timestamp": "20')
    file = LogFile(path)
    file.write(b"{}\n")
    file.close()

    assert path.read_bytes() == b'{"timestamp": "20\n{}\n'


def test_a_full_queue_drops_counts_and_says_so(tmp_path: Path) -> None:
    terminal = HeldTerminal()
    log = open_at(tmp_path / "sim.jsonl", terminal, capacity=10)
    feed.info("first")
    assert terminal.is_held.wait(10)
    for number in range(25):
        feed.info("storm", number=number)
    before = log.statistics()
    terminal.may_go.set()
    log.close()

    assert (before.dropped, before.waiting) == (15, 10)
    lines = lines_of(tmp_path / "sim.jsonl")
    assert [line.get("number") for line in lines[:11]] == [None, *range(10)]  # the first of a storm tell its cause
    assert [(line["event"], line["count"]) for line in lines[11:]] == [("log_lines_dropped", 15)]


def test_closing_does_not_wait_for_a_held_terminal(tmp_path: Path) -> None:
    terminal = HeldTerminal()
    writer = LogWriter(None, terminal, lambda level, event, fields: {"event": event})
    writer.put({"event": "x"})

    assert not writer.flush(timeout_s=0.01)
    assert not writer.close(timeout_s=0.01)
    terminal.may_go.set()
    assert writer.close()


def test_an_unwritable_directory_is_said_once_and_counted_and_mended(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    terminal = io.StringIO()
    writer = LogWriter(
        LogFile(tmp_path / "logs" / "x.jsonl"),
        terminal,
        lambda level, event, fields: {"event": event} | fields,
        retry_s=0,
    )
    for number in range(3):
        writer.put({"event": "lost", "number": number})
        assert writer.flush()
    lost = writer.statistics()
    (tmp_path / "logs").unlink()
    writer.put({"event": "kept"})
    writer.close()

    assert (lost.written, lost.unwritten) == (0, 3)
    assert terminal.getvalue().count("cannot be written") == 1
    assert terminal.getvalue().count("lost") == 3
    assert [(line["event"], line.get("count")) for line in lines_of(tmp_path / "logs" / "x.jsonl")] == [
        ("kept", None),
        ("log_lines_unwritten", 3),
    ]


def test_a_terminal_that_hung_up_does_not_stop_the_file(tmp_path: Path) -> None:
    terminal = io.StringIO()
    terminal.close()
    with open_at(tmp_path / "sim.jsonl", terminal):
        feed.info("one")

    assert [line["event"] for line in lines_of(tmp_path / "sim.jsonl")] == ["one"]


def test_closing_gives_everything_back(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), warnings.showwarning)
    log = open_at(tmp_path / "sim.jsonl")
    log.close()
    log.close()

    assert (root.level, list(root.handlers), warnings.showwarning) == before
    assert not structlog.is_configured()


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    def work(name: int) -> None:
        for number in range(200):
            feed.info("n", thread=name, number=number)

    with open_at(tmp_path / "sim.jsonl"):
        threads = [threading.Thread(target=work, args=[name]) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = lines_of(tmp_path / "sim.jsonl")
    for name in range(4):
        assert [line["number"] for line in lines if line["thread"] == name] == list(range(200))
