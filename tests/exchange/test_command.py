"""The exchange as a process: its first line, its exit codes, and a recording received whole by a plain client."""

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from trio_websocket import open_websocket_url

from tests.exchange.listener import Listener, floor_of
from tests.exchange.test_playback import START, Books, delta, lines_of, reference, snapshot
from traderv3.exchange.command import add_arguments, main
from traderv3.exchange.faults import FAULTS
from traderv3.protocol.signing import Signer, load_private_key

RUN = "import argparse,sys; from traderv3.exchange import command; p=argparse.ArgumentParser(); " + (
    "command.add_arguments(p); sys.exit(command.main(p.parse_args()))"
)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--port", "70000"], "--port 70000"),
        (["--speed", "fast"], "--speed fast"),
        (["--speed", "0"], "--speed 0"),
        (["--speed", "nan"], "--speed nan"),
        (["--fault", "dorp=1"], "'dorp=1' is not a fault"),
        (["--markets-count", "0"], "--markets-count 0"),
        (["--activity", "-1"], "--activity -1"),
        (["--key-id", "me"], "--key-id and --public-key belong together"),
        (["--key-id", "me", "--key-id", "you", "--public-key", "FILE"], "--key-id and --public-key belong together"),
        (["--key-id", "me", "--public-key", "no/such/file"], "no/such/file"),
        (["--balance", "-1"], "--balance -1"),
        (["--recording", "no/such/file"], "no/such/file"),
    ],
)
def test_wrong_arguments_end_with_code_2_and_a_sentence(
    words: list[str], what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(parsed("--data-dir", str(tmp_path), *words))
    out, err = capfd.readouterr()

    assert code == 2
    assert what in err
    assert out == ""


def test_a_taken_port_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(parsed("--data-dir", str(tmp_path), "--port", str(port)))

    assert code == 2
    assert f"port {port}" in capfd.readouterr().err


def test_a_file_that_is_no_recording_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text('{"type":"subscribed","id":1}\n')
    code = main(parsed("--data-dir", str(tmp_path), "--recording", str(path)))

    assert code == 2
    assert "this is not a recording" in capfd.readouterr().err


def test_help_lists_every_fault_and_the_operators_verbs() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = parser.format_help()

    assert all(name in text for name in FAULTS)
    assert "POST /control/maintenance" in text


# -- real processes ------------------------------------------------------------------------------------------------


@contextmanager
def exchange(data_dir: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    arguments = [sys.executable, "-c", RUN, "--port", "0", "--data-dir", str(data_dir), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.process
def test_the_first_line_says_everything_and_a_signal_ends_it(tmp_path: Path) -> None:
    with exchange(tmp_path) as (process, first):
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    with exchange(tmp_path) as (process, second):
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0

    assert set(first) == {"api_url", "ws_url", "key_id", "private_key_path", "markets"}
    assert len(first["markets"]) >= 15
    assert (first["key_id"], first["markets"]) == (second["key_id"], second["markets"])
    assert Path(first["private_key_path"]).stat().st_mode & 0o777 == 0o600


@pytest.mark.process
def test_further_members_have_keys_and_money_of_their_own_and_the_operator_is_heard(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = tmp_path / "theirs.pem"
    path.write_bytes(pem)
    words = ("--key-id", "theirs", "--public-key", str(path), "--balance", "25", "--tier", "basic")
    with exchange(tmp_path, *words) as (_, first):
        balance_path = "/trade-api/v2/portfolio/balance"
        headers = Signer("theirs", key).headers("GET", balance_path, at_ms=time.time_ns() // 1_000_000)
        root = first["api_url"].removesuffix("/trade-api/v2")
        balance = fetched(root + balance_path, headers)
        paused = fetched(f"{root}/control/pause", {}, {"what": "trading", "on": True})
        status = fetched(f"{root}/trade-api/v2/exchange/status", {})

    assert balance["balance_dollars"] == "25.0000"
    assert paused["trading_active"] is status["trading_active"] is False


def fetched(url: str, headers: dict[str, str], body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=5) as answer:
        return json.loads(answer.read())


@pytest.mark.process
def test_it_ends_when_its_parents_end_of_stdin_closes(tmp_path: Path) -> None:
    with exchange(tmp_path, "--until-stdin-closes") as (process, _):
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(5) == 0


@pytest.mark.process
def test_a_reader_that_closes_stdout_does_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "short.jsonl"
    path.write_bytes(START + snapshot(1, ("0.4000", "10.00")))
    with exchange(tmp_path, "--recording", str(path), "--speed", "max", "--start", "now") as (process, first):
        assert process.stdout is not None
        process.stdout.close()
        books = trio.run(final_books, first, 0)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0

    assert books["KXA-1"]["yes"] == {"0.4000": 1_000}


def signed(info: dict[str, Any]) -> dict[str, str]:
    signer = Signer(info["key_id"], load_private_key(Path(info["private_key_path"]).read_text()))
    return signer.headers("GET", "/trade-api/ws/v2", at_ms=time.time_ns() // 1_000_000)


async def final_books(info: dict[str, Any], deltas: int) -> Books:
    """Receive so many deltas as any Kalshi client would, then return the books."""
    headers = signed(info)
    client = Listener(floor_of())  # only for its arithmetic
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    params = {"channels": ["orderbook_delta"], "market_tickers": info["markets"]}
    with trio.fail_after(30):
        async with open_websocket_url(info["ws_url"], extra_headers=pairs) as ws:
            await ws.send_message(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
            heard = 0
            while heard < deltas or len(client.books) < len(info["markets"]):
                frame = client._hear_one(json.loads(await ws.get_message()))
                heard += frame["type"] == "orderbook_delta"
    return client.books


@pytest.mark.process
def test_a_client_receives_a_recording_whole(tmp_path: Path) -> None:
    changes = b"".join(delta(seq, "1.00", price=f"0.{seq % 90 + 1:02d}00") for seq in range(2, 5_002))
    path = tmp_path / "made-up.jsonl"
    path.write_bytes(START + snapshot(1, ("0.4000", "10.00")) + changes)
    with exchange(tmp_path, "--recording", str(path), "--speed", "max") as (process, info):
        books = trio.run(final_books, info, 5_000)
        assert process.stdout is not None
        finished = json.loads(process.stdout.readline())

    assert (finished["finished"], finished["deltas"]) == (True, 5_000)
    assert books == reference(iter(path.read_bytes().splitlines(keepends=True)))


@pytest.mark.process
def test_a_client_receives_a_real_session_whole(tmp_path: Path, recordings: Path) -> None:
    path = recordings / "mixed-20260701-session.jsonl.zst"
    with exchange(tmp_path, "--recording", str(path), "--speed", "max") as (_, info):
        books = trio.run(final_books, info, 2_885)

    assert books == reference(iter(lines_of(path)))
