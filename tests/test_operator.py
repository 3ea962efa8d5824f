"""The commands that act on a running trader: what they say, whom they ask, and what becomes of a trader that is not there."""

import fcntl
import http.server
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from traderv3.cli import main
from traderv3.config.environment import Environment
from traderv3.config.problems import ConfigurationProblems
from traderv3.config.whereabouts import FolderTaken, Whereabouts, find_trader, hold_folder, write_console
from traderv3.console import verbs
from traderv3.core.lifeline import Lifeline
from traderv3.domain.permission import Mode
from traderv3.domain.risk_limits import DEFAULT_LIMITS
from traderv3.operator import command as operator_command
from traderv3.operator.api import CommandDenied, NoAnswer, TraderApi
from traderv3.operator.text import order_lines, position_lines, status_block
from traderv3.trading.day_book import DayBook
from traderv3.trading.kill_switch import KILL_FILE
from traderv3.trading.latch import TradingLatch

TOKEN = "the-control-token"
ORDER = {
    "client_order_id": "aa-1",
    "order_id": "v1",
    "strategy": "spread_maker",
    "ticker": "KX-A",
    "side": "bid",
    "price": "0.4500",
    "count": "5.00",
    "filled": "1.00",
    "remaining": "4.00",
    "state": "resting",
    "is_open": True,
    "in_flight": "cancelling",
    "created": "2026-11-23T03:00:00.000Z",
    "expires": None,
    "why": None,
    "ahead": None,
}
STATUS: dict[str, Any] = {
    "timestamp": "2026-11-23T03:00:06.200Z",
    "environment": "sim",
    "uptime": 3725.5,
    "state": "acting",
    "state_since": "2026-11-23T03:00:00.000Z",
    "state_context": "an order rests",
    "health": "degraded",
    "reasons": [{"component": "rest", "message": "REST is away", "since": "x"}],
    "markets": ["KX-A", "KX-B"],
    "metrics": {
        "ws_connection_status": "connected",
        "markets_connected": 1,
        "messages_per_second": 12.3,
        "snapshots_received": 2,
        "deltas_received": 300,
        "gaps_detected": 1,
        "reconnects": 0,
    },
    "risk": {"mode": "active", "by": "start", "since": "s", "reason": "nobody has said otherwise", "resting_orders": 1},
    "trading": {
        "orders": [ORDER, {**ORDER, "client_order_id": "aa-0", "state": "filled", "is_open": False, "in_flight": None}],
        "fills": [{}],
        "positions": [
            {
                "ticker": "KX-A",
                "position": "-5.00",
                "average": "0.4500",
                "realized": "0.000000",
                "unrealized": None,
                "fees": "0.010000",
                "worst_case": "2.250000",
                "venue_position": "-4.00",
            },
            {
                "ticker": "KX-B",
                "position": "0.00",
                "average": None,
                "realized": "1.000000",
                "unrealized": "0.000000",
                "fees": "0.000000",
                "worst_case": "0.000000",
                "venue_position": None,
            },
        ],
        "pnl": {
            "balance": "99.500000",
            "total": None,
            "realized": "1.000000",
            "unrealized": None,
            "fees": "0.010000",
            "worst_case": "2.250000",
            "resting": 1,
            "unknown": 0,
            "is_read": True,
            "stale_reason": None,
            "stale_since": None,
        },
        "limits": {
            "limits": [
                {
                    "rule": "RISK_MAX_MARKET_SIZE",
                    "scope": "KX-A",
                    "used": "5.00",
                    "limit": "10.00",
                    "unit": "contracts",
                    "share": 0.5,
                }
            ]
        },
        "decision": {
            "strategy": "spread_maker",
            "stage": "acting",
            "why": None,
            "calibrated": "2026-11-23T03:00:01.000Z",
            "refusals": [{"rule": "RISK_HALTED", "why": "halted", "ticker": "KX-A", "by": "risk", "times": 3}],
        },
        "recon": {
            "differences": [
                {
                    "what": "position",
                    "key": "KX-A",
                    "ours": "-5.00",
                    "venue": "-4.00",
                    "since": "s",
                    "is_settled": False,
                }
            ]
        },
    },
}


@pytest.fixture(autouse=True)
def _a_clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ENVIRONMENT", "KALSHI_", "V3_")):
            monkeypatch.delenv(name)


class Fake:
    """A trader's API that answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status: object = STATUS
        self.command: tuple[int, object] = (
            200,
            {"id": "1", "ok": True, "reason": "trading is halted; cancelled 2 of 2 orders"},
        )
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.port = self.lock = 0

    def answer(self, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, object]:
        self.asked.append((path, token, body))
        return {"/v3/health": (503, {"healthy": False}), "/v3/status": (200, self.status)}.get(path, self.command)


@contextmanager
def faking(folder: Path) -> Iterator[Fake]:
    fake = Fake()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length) or b"{}")
            status, said = fake.answer(self.path, self.headers.get("Authorization"), body)
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        fake.lock = hold_folder(folder)
        write_console(folder, "127.0.0.1", fake.port)
        (folder / "control-token").write_text(TOKEN + "\n")
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
            os.close(fake.lock)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    with faking(tmp_path / "data" / "sim") as made:
        yield made


# -- showing -------------------------------------------------------------------------------------------------------


def test_the_status_block_says_everything_on_one_page() -> None:
    block = status_block(STATUS)
    text = "\n".join(block)

    assert block[0] == "TRADER V3    sim, up 1:02:05"
    for said in (
        "acting since 2026-11-23T03:00:00.000Z: an order rests",
        "- rest: REST is away",
        "connected, 1 of 2 markets live, 12 messages/s",
        "active (by start",
        "1 resting, 0 unknown",
        "1 markets, worst case with orders $2.250000",
        "balance $99.500000, total unknown",
        "RISK_MAX_MARKET_SIZE KX-A: 5.00 of 10.00 contracts (50 %)",
        "3 x by risk: RISK_HALTED KX-A: halted",
        "position KX-A: ours -5.00, the venue's -4.00",
    ):
        assert said in text


def test_orders_and_positions_are_tables() -> None:
    assert [line.split()[0] for line in order_lines(STATUS, has_all=False)] == ["order", "aa-1"]
    assert [line.split()[0] for line in order_lines(STATUS, has_all=True)] == ["order", "aa-1", "aa-0"]
    assert "resting (cancelling)" in order_lines(STATUS, has_all=False)[1]
    positions = position_lines(STATUS)
    assert "0.4500 NO" in positions[1]
    assert positions[1].endswith("the venue says -4.00")
    assert positions[-1].startswith("total unknown, balance $99.500000")


def status_with(pnl: dict[str, Any], **trading: Any) -> dict[str, Any]:
    """The status with another account."""
    whole = STATUS["trading"]
    return {**STATUS, "trading": {**whole, **trading, "pnl": {**whole["pnl"], **pnl}}}


def test_a_stale_account_is_said_to_be_so_before_anything_else() -> None:
    stale = status_with({"stale_reason": "the account is not heard: cut", "stale_since": "2026-11-23T03:00:00.000Z"})
    said = "stale for 6.2 s (the account is not heard: cut); what follows is the last word"

    assert order_lines(stale, has_all=False)[0] == position_lines(stale)[0] == f"account: {said}"
    assert f"account      {said}" in status_block(stale)
    assert "account      heard; a reading agreed 5.2 s ago" in status_block(STATUS)
    assert not any("account" in line for line in position_lines(STATUS))


def test_an_account_that_was_never_agreed_upon_has_no_age() -> None:
    first = status_with({"stale_reason": "a second reading is to agree"})

    assert position_lines(first)[0] == (
        "account: not agreed upon yet (a second reading is to agree); what follows is the venue's first word"
    )


def test_before_the_first_reading_no_number_is_made_up() -> None:
    empty = dict.fromkeys(("balance", "total", "realized", "unrealized", "fees", "worst_case", "resting"))
    unread = status_with(
        {**empty, "unknown": 12, "is_read": False, "stale_reason": "the account is not heard: refused"},
        positions=None,
        orders=[],
    )
    block = status_block(unread)

    assert order_lines(unread, has_all=False) == [
        "account: not read yet: the account is not heard: refused",
        "No order is known.",
    ]
    assert position_lines(unread) == [
        "account: not read yet: the account is not heard: refused",
        "What is held is not known.",
        "total unknown, balance unknown, worst case with orders unknown",
    ]
    assert "orders       - resting, 12 unknown; 1 latest fills" in block
    assert "positions    - markets, worst case with orders unknown" in block
    assert not any("$0" in line for line in block)


@pytest.mark.parametrize("command", ["status", "orders", "positions"])
def test_each_asks_the_trader_that_said_where_it_is(
    command: str, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "sim"]) == 0
    assert "KX-A" in capsys.readouterr().out
    assert main([command, "sim", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert [path for path, _, _ in fake.asked] == ["/v3/status"] * 2
    assert all(token is None for _, token, _ in fake.asked)


@pytest.mark.parametrize("said", [b"<html>", b"[]", {"environment": "production"}])
def test_what_is_no_trader_of_this_environment_is_said_to_be_none(
    said: object, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.status = said

    assert main(["status", "sim"]) == 1
    assert "traderv3: " in capsys.readouterr().err


def test_a_trader_that_is_not_there_is_said_with_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "sim", "--port", "1"]) == 1
    assert "no trader answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_an_unknown_environment_or_port_is_a_configuration_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "smi"]) == 2
    assert "did you mean sim" in capsys.readouterr().err
    assert main(["halt", "sim", "--port", "x"]) == 2


# -- halt and resume -----------------------------------------------------------------------------------------------


def test_a_halt_goes_through_the_trader_with_its_token_and_the_typed_word(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "sim", "--reason", "odd fills"]) == 0
    path, token, body = fake.asked[-1]

    assert (path, token) == ("/v3/commands", f"Bearer {TOKEN}")
    assert (body["name"], body["confirm"], body["args"]) == ("halt", "HALT SIM", {"reason": "odd fills"})
    assert capsys.readouterr().out == "trading is halted; cancelled 2 of 2 orders\n"


def test_a_resume_is_typed(fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake.command = (200, {"ok": True, "reason": "trading may go on"})
    monkeypatch.setattr("sys.stdin", iter_lines("RESUME SIM\n"))

    assert main(["resume", "sim"]) == 0
    assert fake.asked[-1][2]["confirm"] == "RESUME SIM"
    assert "Type RESUME SIM" in capsys.readouterr().out
    assert main(["resume", "sim", "--confirm", "resume sim"]) == 0
    assert fake.asked[-1][2]["confirm"] == "resume sim"  # the trader judges it


def iter_lines(text: str) -> Any:
    import io

    return io.StringIO(text)


@pytest.mark.parametrize(
    "said",
    [
        "cancelled 1 of 2 orders; 1 may still rest, and are cancelled until none does",
        "cancelled 0 of 0 orders as far as is known; the venue's own word is waited for (its reads are old)",
    ],
)
def test_a_halt_that_is_not_certain_is_no_success(said: str, fake: Fake) -> None:
    fake.command = (200, {"ok": True, "reason": f"trading is halted; {said}"})

    assert main(["halt", "sim"]) == 1


def test_the_words_that_are_looked_for_are_the_traders() -> None:
    assert verbs.NOT_CARRIED.startswith(operator_command.NOT_CARRIED)
    assert operator_command.NOT_CERTAIN == (verbs.MAY_REST, verbs.UNCERTAIN)


def test_where_the_trader_carries_no_orders_the_venue_is_swept_from_here(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    fake.command = (200, {"ok": True, "reason": f"trading is halted; {verbs.NOT_CARRIED}"})

    assert main(["halt", "sim"]) == 1  # the embedded exchange has said nothing of itself
    said = capsys.readouterr().out
    assert "orders of an earlier run may rest" in said
    assert "where the embedded exchange listens is not known" in said
    assert not (tmp_path / "data" / "sim" / KILL_FILE).exists()  # the trader has kept the halt
    assert not (tmp_path / "data" / "sim" / "trading.json").exists()


def test_in_local_a_trader_that_carries_no_orders_has_none_at_the_venue(tmp_path: Path) -> None:
    with faking(tmp_path / "data" / "local") as fake:
        fake.status = {**STATUS, "environment": "local"}
        fake.command = (200, {"ok": True, "reason": f"trading is halted; {verbs.NOT_CARRIED}"})

        assert main(["halt", "local"]) == 0


@pytest.mark.parametrize("command", [["halt", "sim"], ["resume", "sim", "--confirm", "RESUME SIM"]])
@pytest.mark.parametrize("who", ["gone", "another"])
def test_a_stranger_on_the_port_is_not_told_the_token(
    command: list[str], who: str, fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    if who == "gone":
        fcntl.flock(fake.lock, fcntl.LOCK_UN)
    else:
        fake.status = {**STATUS, "environment": "paper"}
    main(command)

    assert all(token is None for _, token, _ in fake.asked)
    assert all(path != "/v3/commands" for path, _, _ in fake.asked)


@pytest.mark.parametrize("answer", [(409, {"ok": False, "reason": "type RESUME SIM to confirm"}), (200, {"ok": False})])
def test_a_resume_that_is_refused_says_why(
    answer: tuple[int, object], fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.command = answer

    assert main(["resume", "sim", "--confirm", "x"]) == 1
    assert capsys.readouterr().err.startswith("traderv3: ")


def test_nobody_can_resume_a_trader_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "sim", "--confirm", "RESUME SIM", "--port", "1"]) == 1


def test_a_halt_without_a_trader_is_kept_for_its_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structlog.configure", lambda **_: None)

    assert main(["halt", "sim", "--reason", "night", "--port", "1"]) == 0
    said = capsys.readouterr().out
    assert "halting without it" in said
    assert "the embedded exchange ended with its trader" in said
    latch = TradingLatch(tmp_path / "data" / "sim" / "trading.json", wall_us=lambda: 0)
    assert (latch.stand.mode, latch.stand.by, latch.stand.reason) == (Mode.HALTED, "traderv3 halt", "night")
    assert not (tmp_path / "data" / "sim" / KILL_FILE).exists()


def test_a_trader_that_refuses_to_halt_is_halted_by_its_kill_file(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that is taken for the trader's is this one: it lives."""
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    fake.command = (403, {"ok": False, "reason": "the control token is missing or wrong"})

    assert main(["halt", "sim", "--reason", "night"]) == 1  # the embedded exchange has said nothing of itself
    said = capsys.readouterr().out
    assert "the control token is missing or wrong; halting without it" in said
    assert (tmp_path / "data" / "sim" / KILL_FILE).read_text() == "night\n"
    assert "where the embedded exchange listens is not known" in said


def test_a_halt_without_a_sound_configuration_is_kept_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structlog.configure", lambda **_: None)

    assert main(["halt", "production"]) == 1  # no key, no trader
    assert "cancel at the venue by hand" in capsys.readouterr().out
    assert TradingLatch(tmp_path / "data" / "production" / "trading.json", wall_us=lambda: 0).stand.mode is Mode.HALTED


def test_in_local_there_is_nothing_at_the_venue_to_cancel(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_cli import USABLE

    monkeypatch.setattr("structlog.configure", lambda **_: None)
    monkeypatch.setenv("KALSHI_API_KEY_ID", "key-1")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY_CONTENT", USABLE["Ed25519"])

    assert main(["halt", "local"]) == 0
    assert "no order ever left the process" in capsys.readouterr().out


# -- where it is ---------------------------------------------------------------------------------------------------


def test_a_folder_has_one_trader_that_is_known_without_any_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traderv3.config.whereabouts.LOCK_S", 0.0)
    folder = tmp_path / "data" / "sim"
    lock = hold_folder(folder)
    held = find_trader("sim", {}, tmp_path, None)
    with pytest.raises(FolderTaken, match=f"process {os.getpid()}"):
        hold_folder(folder)
    was_running = held.is_running
    os.close(lock)

    assert (held.pid, was_running) == (os.getpid(), True)
    assert not find_trader("sim", {}, tmp_path, None).is_running
    os.close(hold_folder(folder))


def test_a_trader_is_found_where_it_said_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "paper"
    write_console(folder, "0.0.0.0", 9123)
    (folder / "control-token").write_text("t\n")
    found = find_trader("paper", {"V3_DATA_DIR": "elsewhere", "V3_PORT": "9000"}, tmp_path, None)

    assert (found.host, found.port, found.pid, found.token) == ("127.0.0.1", 9123, os.getpid(), "t")
    assert not found.is_running
    assert find_trader("paper", {"V3_DATA_DIR": "elsewhere"}, tmp_path, "9001").port == 9001
    assert find_trader("sim", {"V3_PORT": "9000"}, tmp_path, None).port == 9000


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"pid": "x", "host": "h", "port": 1}', "\udcff"])
def test_what_cannot_be_read_leaves_the_usual_address(content: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "sim"
    folder.mkdir(parents=True)
    (folder / "console.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    found = find_trader("sim", {}, tmp_path, None)

    assert (found.host, found.port, found.pid, found.token) == ("127.0.0.1", 8005, None, None)
    assert not found.is_running


def test_what_is_wrong_elsewhere_in_the_configuration_does_not_hold_up_a_command(tmp_path: Path) -> None:
    (tmp_path / ".env.paper").write_text("V3_MARKETS=,\nnonsense\nKALSHI_API_URL=http://evil\n")

    assert find_trader("paper", {}, tmp_path, None).environment is Environment.PAPER
    with pytest.raises(ConfigurationProblems):
        find_trader("nowhere", {}, tmp_path, None)


def test_a_command_without_a_token_is_not_sent(tmp_path: Path, fake: Fake) -> None:
    api = TraderApi(Whereabouts(Environment.PAPER, tmp_path, "127.0.0.1", fake.port, None))
    with pytest.raises(NoAnswer, match="no control token"):
        api.command("halt", "HALT PAPER")

    assert fake.asked == []


def test_an_answer_that_is_no_yes_is_a_no(fake: Fake, tmp_path: Path) -> None:
    fake.command = (200, {"ok": "yes"})
    with pytest.raises(CommandDenied):
        TraderApi(find_trader("sim", {}, tmp_path, None)).command("halt", "HALT SIM")


# -- files ---------------------------------------------------------------------------------------------------------


async def test_latch_and_day_book_are_their_owners_alone(tmp_path: Path) -> None:
    await TradingLatch(tmp_path / "trading.json", wall_us=lambda: 0).set(Mode.HALTED, by="x", reason="y")
    day, lifeline = DayBook(tmp_path / "day.json", DEFAULT_LIMITS.day, wall_us=lambda: 0), Lifeline()
    day.note_order("KX-A", "s", 0)
    lifeline.stopping.set()
    await day.run(lifeline)

    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("trading.json", "day.json")] == [0o600, 0o600]
