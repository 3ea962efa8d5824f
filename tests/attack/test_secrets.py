"""A whole life with marked secrets; then everything it produced is searched for them.

Bad key; good key, orders and fills, a crash, every command, a halt; a bug; a stall with the watchdog's stacks; a recording,
an export, a simulation's trace.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from tests.attack.crooked_trader import STALL_S
from tests.attack.test_processes import Crooked, crooked
from tests.attack.test_security import ROUTES
from tests.integration.desk import quoting, until_orders_rest
from tests.running import (
    COMMAND,
    RunningExchange,
    RunningTrader,
    clean_environment,
    running,
    running_exchange,
    running_trader,
)

__all__ = ["crooked"]  # a fixture

pytestmark = pytest.mark.process

TOKEN = "Marked-Control-Token-4711-" + "abcdefgh" * 15  # longer than what an echo is cut to
PASSWORD = "Marked-Database-Password-0815"
ANNOUNCED = re.compile(rb"^console: http://\S+#token=\S+\n", re.MULTILINE)  # to the terminal, once, on purpose


def parts_of(secrets: list[str]) -> list[bytes]:
    """What must not be found: each secret whole and, of those with several lines, each line and a piece of it."""
    found = set()
    for secret in secrets:
        lines = [line for line in secret.splitlines() if line and not line.startswith("-----")]
        found |= {secret, secret.replace("\n", "\\n"), *lines, *(line[:24] for line in lines if len(line) >= 32)}
    return sorted(part.encode() for part in found)


def produced(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the trader's data folder, compressed ones unpacked as well."""
    import zstandard

    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "control-token":
            continue
        raw = path.read_bytes()
        yield str(path), raw
        if path.suffix == ".zst":
            with (
                path.open("rb") as file,
                zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as out,
            ):
                yield f"{path} unpacked", out.read()


def key_of(exchange: RunningExchange) -> str:
    """The private key that an exchange made."""
    return Path(exchange.announcement["private_key_path"]).read_text()


async def walk_through(trader: RunningTrader) -> list[tuple[str, bytes]]:
    """Ask everything that there is to ask and try to make it repeat a secret; all that it answered."""
    heard: list[tuple[str, bytes]] = []
    async with trader.console("?batch_ms=0") as browser:

        async def listen() -> None:
            try:
                while True:
                    message = await browser.socket.get_message()
                    heard.append(("WebSocket", message.encode() if isinstance(message, str) else message))
            except trio_websocket.ConnectionClosed:
                return

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for data in stray_commands():
                await browser.send("command", **data)
            await browser.send("subscribe", topics=[TOKEN])
            await browser.send(TOKEN)
            await browser.socket.send_message(TOKEN)
            heard += [(path, await everything(trader, path)) for path in ROUTES]
            for path in (
                f"/v3/{TOKEN}",
                f"/v3/status?token={TOKEN}",
                f"/v3-trader/{TOKEN}",
                f"/v3/events?after={TOKEN}",
            ):
                await everything(trader, path)  # echoes what the asker said, to him alone
            for data in stray_commands():
                answer = await trader.http.post(trader.url + "/v3/commands", json=data, timeout=30.0)
                heard.append(("POST", answer.content))
            await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
    return heard


def stray_commands() -> list[dict[str, Any]]:
    """Commands with the token where it does not belong; the last two are carried out."""
    good = {"id": "1", "name": "restart_actor", "args": {"name": "discovery"}, "confirm": "discovery", "token": TOKEN}
    return [
        good | {"id": TOKEN, "token": "wrong"},
        good | {"name": TOKEN},
        good | {"confirm": TOKEN},
        good | {"args": {"name": TOKEN}, "confirm": TOKEN},
        good | {"args": {TOKEN: TOKEN}},
        good | {"args": {"name": "discovery", "token": TOKEN}},
        good,
        good | {"name": "halt", "args": {}, "confirm": "HALT SIM"},
    ]


async def everything(trader: RunningTrader, path: str) -> bytes:
    """Headers and body of an answer."""
    answer = await trader.http.get(trader.url + path)
    return str(answer.headers).encode() + answer.content


# Of a person in a second terminal. Whether they are carried out is tested elsewhere.
ASKED = (
    ("status", "sim"),
    ("status", "sim", "--json"),
    ("orders", "sim", "--all"),
    ("positions", "sim"),
    ("resume", "sim", "--confirm", TOKEN),
    ("halt", "sim", "--reason", "drill"),
    ("check", "sim"),
)
MADE = (
    ("record", "sim", "--port", "0", "--out", "recorded.jsonl.zst", "--for", "3"),
    ("export", "sim", "--what", "transitions", "--out", "transitions.csv"),
    ("simulate", "--seed", "2", "--minutes", "0.2", "--trace", "trace.txt"),
)


async def run_all(commands: Sequence[Sequence[str]], home: Path, variables: dict[str, str]) -> list[tuple[str, bytes]]:
    """All of them at once; what they said."""
    heard: list[tuple[str, bytes]] = []

    async def run(arguments: Sequence[str]) -> None:
        command, environment = [*COMMAND, *arguments], clean_environment(**variables)
        with trio.fail_after(60):
            done = await trio.run_process(
                command, cwd=home, env=environment, capture_stdout=True, capture_stderr=True, check=False
            )
        heard.append((" ".join(arguments), done.stdout + done.stderr))

    async with trio.open_nursery() as nursery:
        for arguments in commands:
            nursery.start_soon(run, arguments)
    return heard


async def stacks_of_a_stall(home: Path, variables: dict[str, str]) -> list[tuple[str, bytes]]:
    """What the watchdog leaves when the loop stands still."""
    async with running_trader(home, **variables) as trader:
        (home / "block").touch()
        with trio.fail_after(STALL_S + 20.0):
            assert await trader.child.process.wait() == 1
    (home / "block").unlink()
    assert b"_block_on_request" in trader.child.err
    return [("stall stdout", bytes(trader.child.out)), ("stall stderr", bytes(trader.child.err))]


@pytest.mark.parametrize(
    "database",
    [pytest.param(False, id="sqlite", marks=pytest.mark.soak), pytest.param(True, id="postgres_away")],
)
async def test_no_secret_is_in_anything_that_a_life_produces(database: bool, tmp_path: Path, crooked: Crooked) -> None:
    venue, other, home = (tmp_path / name for name in ("venue", "other", "home"))
    for folder in (venue, other, home):
        folder.mkdir()
    output: list[tuple[str, bytes]] = []
    async with running_exchange(venue) as exchange, running_exchange(other) as stranger:
        key, wrong_key = key_of(exchange), key_of(stranger)
        variables = {
            **exchange.variables,
            "KALSHI_API_KEY_ID": exchange.announcement["key_id"],
            "KALSHI_PRIVATE_KEY_CONTENT": key,
            "V3_CONTROL_TOKEN": TOKEN,
            "V3_LOG_LEVEL": "debug",
            "V3_ENABLE_TRADING": "true",
        }
        if database:
            variables["V3_DATABASE_URL"] = f"postgresql://trader:{PASSWORD}@127.0.0.1:1/trader"
        known = PASSWORD if database else "no password"
        words = f"{key}\n{TOKEN} {known}\nKALSHI-ACCESS-SIGNATURE: {key.splitlines()[1]}"

        refused = variables | {"KALSHI_PRIVATE_KEY_CONTENT": wrong_key}
        async with running("run", "sim", "--port", "0", cwd=home, **refused) as child:
            with trio.fail_after(20):
                assert await child.process.wait() == 3
        output += [("bad key stdout", bytes(child.out)), ("bad key stderr", bytes(child.err))]

        async with running_trader(home, *quoting(home), **(crooked("crashing") | variables)) as trader:
            await until_orders_rest(trader)
            (home / "crash").write_text(words)
            await trader.until("crashed", lambda s: s["components"]["metrics_aggregator"]["restarts"] > 0)
            output += await run_all(ASKED, home, variables)
            output += await walk_through(trader)
            assert await trader.child.end() == 0
        output += [("stdout", bytes(trader.child.out)), ("stderr", bytes(trader.child.err))]

        output += await run_all(MADE, home, variables)
        if not database:
            output += await stacks_of_a_stall(home, crooked("blocking") | variables)
        (home / "crash").write_text(words)
        async with running("run", "sim", "--port", "0", cwd=home, **(crooked("bursting") | variables)) as child:
            with trio.fail_after(20):
                assert await child.process.wait() == 1
        output += [("bug stdout", bytes(child.out)), ("bug stderr", bytes(child.err))]
    assert b"ValueError" in child.err
    output += produced(home)

    secrets = [key, wrong_key, TOKEN, PASSWORD]
    everything_said = [(name, ANNOUNCED.sub(b"", said)) for name, said in output]
    leaks = [
        (name, said[max(0, said.index(part) - 80) : said.index(part) + 10])
        for name, said in everything_said
        for part in parts_of(secrets)
        if part in said
    ]

    assert leaks == []
    assert any(name == "WebSocket" and b"command_result" in said for name, said in output)
    assert any(name.endswith("unpacked") and b"orderbook" in said for name, said in output)
    assert any(name.startswith("status") and b"spread_maker" in said for name, said in output)
    assert any(b"client_order_id" in said for name, said in output if name.endswith(".jsonl.zst unpacked"))
    files = {Path(name).name for name, _ in output}
    assert {"recorded.jsonl.zst", "trace.txt"} | (set() if database else {"transitions.csv"}) <= files
