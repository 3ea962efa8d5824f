"""Real processes on loopback for the tests: the trader, the exchange, and a console client. Waits poll for conditions."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec
import trio
import trio_websocket

COMMAND = (sys.executable, "-m", "traderv3")
POLL_S = 0.02
START_S = 20.0  # generous: the machines are shared
CONSOLE_LINE = rb"console: (http://[^/]+)/v3-trader(?:#token=(\S+))?\n"  # a replay takes no commands and has no token

T = TypeVar("T")


def clean_environment(**variables: str) -> dict[str, str]:
    """The process environment without anything that configures a trader, plus `variables`.

    Trading is off unless they say otherwise: what is tested mostly ends in `ready`.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("V3_", "KALSHI_")) and k != "ENVIRONMENT"}
    return {**kept, "V3_ENABLE_TRADING": "false", **variables}


async def eventually(look: Callable[[], Awaitable[T]], what: str, within_s: float = START_S) -> T:
    """Ask again until the answer is true; fail after `within_s`."""
    answer: object = None
    with trio.move_on_after(within_s):
        while True:
            found = await look()
            if found:
                return found
            answer = found
            await trio.sleep(POLL_S)
    raise AssertionError(f"{what}: not within {within_s} s; last answer {answer!r:.600}")


@dataclass
class Process:
    """A child of the test with everything it said."""

    process: trio.Process
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    async def wait_for(self, pattern: bytes, where: str = "err") -> re.Match[bytes]:
        """The first match in what it says on stdout ("out") or stderr ("err")."""

        async def look() -> re.Match[bytes] | None:
            found = re.search(pattern, bytes(getattr(self, where)))
            assert found or self.process.returncode is None, (
                f"ended with {self.process.returncode}: {self.err[-2000:]!r}"
            )
            return found

        found = await eventually(look, f"{pattern!r} on std{where}")
        assert found is not None
        return found

    async def end(self, number: int = signal.SIGINT, within_s: float = 10.0) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(within_s):
            return await self.process.wait()


@asynccontextmanager
async def running(*arguments: str, cwd: Path, **variables: str) -> AsyncIterator[Process]:
    """`traderv3 ARGUMENTS` in `cwd`; killed at the end if it still runs."""
    process = await trio.lowlevel.open_process(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child = Process(process)
    collected = trio.Event()

    async def collect(stream: trio.abc.ReceiveStream | None, into: bytearray) -> None:
        assert stream is not None
        async for chunk in stream:
            into += chunk
        if stream is process.stderr:
            collected.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, process.stdout, child.out)
        nursery.start_soon(collect, process.stderr, child.err)
        try:
            yield child
        finally:
            if process.returncode is None:
                process.kill()
            with trio.move_on_after(2.0, shield=True):  # what it said last is read to the end
                await process.wait()
                await collected.wait()
            nursery.cancel_scope.cancel()


@dataclass
class RunningTrader:
    """A trader that serves its console at `url`."""

    child: Process
    url: str
    token: str
    http: httpx2.AsyncClient

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def get(self, path: str) -> Any:
        """The JSON of a route."""
        return (await self.http.get(self.url + path)).json()

    async def until(
        self, what: str, is_so: Callable[[dict[str, Any]], bool], within_s: float = START_S
    ) -> dict[str, Any]:
        """The first `/v3/status` for which `is_so` holds."""

        async def look() -> dict[str, Any] | None:
            status: dict[str, Any] = await self.get("/v3/status")
            return status if is_so(status) else None

        found = await eventually(look, what, within_s)
        assert found is not None
        return found

    async def until_ready(self) -> dict[str, Any]:
        """Every market live, state `ready`."""
        return await self.until("ready, all live", is_ready)

    async def exchange_pid(self) -> int:
        """The process id of the trader's own exchange that listens now."""
        found = re.findall(rb"exchange listens .*?pid=(\d+)", bytes(self.child.err))
        return int(found[-1])

    @asynccontextmanager
    async def console(self, query: str = "") -> AsyncIterator["Console"]:
        """A console's WebSocket."""
        url = self.url.replace("http:", "ws:") + "/v3/ws" + query
        async with trio_websocket.open_websocket_url(url, max_message_size=1 << 26) as socket:
            yield Console(socket)


@dataclass
class Console:
    """The client's end of the console protocol."""

    socket: trio_websocket.WebSocketConnection

    async def receive(self) -> dict[str, Any]:
        """The next frame, decoded."""
        frame: dict[str, Any] = msgspec.json.decode(await self.socket.get_message())
        return frame

    async def until(self, kind: str, within_s: float = START_S) -> dict[str, Any]:
        """The next message of this type."""
        with trio.fail_after(within_s):
            while True:
                frame = await self.receive()
                if frame["type"] == kind:
                    return frame

    async def send(self, kind: str, **data: object) -> None:
        """Send one request."""
        await self.socket.send_message(msgspec.json.encode({"type": kind, "data": data}).decode())

    async def command(self, command: str, token: str, *, confirm: str, **args: object) -> dict[str, Any]:
        """Carry out a command; its result."""
        await self.send("command", id="1", name=command, args=args, confirm=confirm, token=token)
        result: dict[str, Any] = (await self.until("command_result"))["data"]
        return result


def is_ready(status: dict[str, Any]) -> bool:
    """Whether a status says `ready`, or a state beyond it, with every market live."""
    live: int = status["metrics"]["markets_connected"]
    return status["state"] in ("ready", "trading_ready", "acting") and live == len(status["markets"]) > 0


@asynccontextmanager
async def running_trader(
    cwd: Path, *arguments: str, environment: str = "sim", **variables: str
) -> AsyncIterator[RunningTrader]:
    """A trader on a free port, as soon as it serves."""
    async with running("run", environment, "--port", "0", *arguments, cwd=cwd, **variables) as child:
        found = await child.wait_for(CONSOLE_LINE)
        async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as http:
            trader = RunningTrader(child, found[1].decode(), found[2].decode(), http)

            async def serves() -> bool:
                try:
                    await http.get(trader.url + "/v3/health/live")
                except httpx2.HTTPError:
                    return False
                return True

            await eventually(serves, "the console is served")
            yield trader


@dataclass
class RunningExchange:
    """An embedded exchange of its own."""

    child: Process
    announcement: dict[str, Any]

    @property
    def variables(self) -> dict[str, str]:
        """What a trader needs to reach it."""
        return {"KALSHI_API_URL": self.announcement["api_url"], "KALSHI_WS_URL": self.announcement["ws_url"]}


@asynccontextmanager
async def running_exchange(cwd: Path, *arguments: str) -> AsyncIterator[RunningExchange]:
    """An exchange on a free port, as soon as it listens. Its key lies in `cwd/data`, where a trader there finds it."""
    async with running("exchange", "--port", "0", *arguments, cwd=cwd) as child:
        line = await child.wait_for(rb"\A(.*)\n", where="out")
        yield RunningExchange(child, msgspec.json.decode(line[1]))
