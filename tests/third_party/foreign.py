"""A foreign client as a process that the test drives step by step, and its numbers in our units."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio

from tests.running import clean_environment
from tests.third_party.environments import HERE, ThirdParty
from traderv3.domain.units import parse_price, parse_qty

STEP_S: Final = 20.0  # generous: the machines are shared
ROOT: Final = HERE.parent.parent

Levels = tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]  # YES, NO: price 1e-4 dollar, size 0.01 contract


class Refused(Exception):
    """The venue said no to a step; `kind` is the client's own class of error."""

    def __init__(self, kind: str, status: int | None, says: str) -> None:
        super().__init__(says)
        self.kind = kind
        self.status = status


class Foreign:
    """One running driver."""

    def __init__(self, client: ThirdParty, process: trio.Process) -> None:
        self.client = client
        self.err = bytearray()
        self._process = process
        self._heard = bytearray()

    async def do(self, verb: str, **arguments: Any) -> Any:
        """Have one step done; its result. Raises `Refused`, and fails if the driver ended or is late."""
        assert self._process.stdin is not None
        with trio.move_on_after(STEP_S) as scope:
            await self._process.stdin.send_all(json.dumps({"do": verb, **arguments}).encode() + b"\n")
            answer = json.loads(await self._line())
        assert not scope.cancelled_caught, f"{verb}: no answer in {STEP_S} s\n{self._last_words()}"
        if (no := answer.get("refused")) is not None:
            raise Refused(no["kind"], no["status"], no["says"])
        return answer["result"]

    async def books(self) -> dict[str, Levels | None]:
        """What the client holds now."""
        held = await self.do("books")
        return {ticker: levels_of(book) if book is not None else None for ticker, book in held.items()}

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._heard:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                with trio.move_on_after(1.0):
                    await self._process.wait()
                raise AssertionError(f"the driver of {self.client.package} ended:\n{self._last_words()}")
            self._heard += chunk
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        return line

    def _last_words(self) -> str:
        return self.err.decode(errors="replace")[-3000:]


def levels_of(book: dict[str, dict[str, str]]) -> Levels:
    """A book as a driver prints it."""
    yes, no = (
        frozenset((parse_price(price), parse_qty(size)) for price, size in book[side].items()) for side in ("yes", "no")
    )
    return yes, no


@asynccontextmanager
async def driven(client: ThirdParty, interpreter: Path, announcement: dict[str, Any]) -> AsyncIterator[Foreign]:
    """The client inside its own environment, told where the exchange is; killed at the end."""
    names = ("api_url", "ws_url", "key_id", "private_key_path")
    process = await trio.lowlevel.open_process(
        [str(interpreter), "-E", "-B", "-m", client.driver, json.dumps({n: announcement[n] for n in names})],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    foreign = Foreign(client, process)

    async def collect() -> None:
        assert process.stderr is not None
        async for chunk in process.stderr:
            foreign.err += chunk

    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect)
        try:
            yield foreign
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()
            nursery.cancel_scope.cancel()
