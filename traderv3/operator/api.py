"""The trader's own API, from another process on the same machine: one short conversation over plain HTTP.

Standard library alone, so that a halt is not held up by imports. Nothing is taken from the surroundings (no proxy).
Units: seconds.
Never: a wait without an end; a command, or the token, to another environment's trader or to what is none.
"""

import http.client
import json
import secrets
from typing import Any, Final

from traderv3.config.whereabouts import CONSOLE_FILE, Whereabouts

ANSWER_S: Final = 2.0
ALIVE_S: Final = 0.5  # a trader whose loop runs answers within 50 ms; after this it is not waited for
COMMAND_S: Final = 5.0  # a halt says after 3 s at the latest what became of the orders
BYTES_MAX: Final = 64 << 20


class NoAnswer(Exception):
    """The trader cannot be asked; the message says why."""


class CommandDenied(Exception):
    """The trader answered no; the message is its own."""


class TraderApi:
    """One trader's API."""

    def __init__(self, trader: Whereabouts) -> None:
        self._trader = trader

    def health(self) -> dict[str, Any]:
        """The quick answer, healthy or not. Raises `NoAnswer`."""
        return self._ask("GET", "/v3/health", within_s=ALIVE_S)[1]

    def status(self) -> dict[str, Any]:
        """`/v3/status`. Raises `NoAnswer`, also where another environment's trader answers."""
        body = self._ask("GET", "/v3/status", within_s=ANSWER_S)[1]
        if body.get("environment") != self._trader.environment:
            msg = (
                f"{self._where} is the trader of {body.get('environment')!r}, not of {self._trader.environment.value!r}"
            )
            raise NoAnswer(msg)
        return body

    def command(self, name: str, confirm: str, **args: str) -> str:
        """Have it carried out; what the trader says of it. Raises `NoAnswer` and `CommandDenied`.

        The token goes to a trader of this environment that is there, not to whoever took a dead one's port.
        """
        token = self._trader.token
        if token is None:
            msg = f"no control token in {self._trader.folder}: has a trader of this environment ever run here?"
            raise NoAnswer(msg)
        if not self._trader.is_running:
            msg = f"no trader holds {self._trader.folder}: the one that wrote {CONSOLE_FILE} is gone"
            raise NoAnswer(msg)
        self.status()
        asked = {"id": secrets.token_hex(4), "name": name, "args": args, "confirm": confirm}
        status, body = self._ask("POST", "/v3/commands", within_s=COMMAND_S, body=asked, token=token)
        said = str(body.get("reason") or body.get("error") or f"HTTP {status}")
        if status != 200 or body.get("ok") is not True:
            raise CommandDenied(said)
        return said

    @property
    def _where(self) -> str:
        return f"http://{self._trader.host}:{self._trader.port}"

    def _ask(
        self, method: str, path: str, *, within_s: float, body: object = None, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers |= {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        line = http.client.HTTPConnection(self._trader.host, self._trader.port, timeout=within_s)
        try:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            response = line.getresponse()
            answer = json.loads(response.read(BYTES_MAX))
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as cause:
            why = str(cause) or type(cause).__name__
            msg = f"no trader answers at {self._where} ({why})"
            raise NoAnswer(msg) from cause
        finally:
            line.close()
        if not isinstance(answer, dict):
            msg = f"what answers at {self._where} is no trader"
            raise NoAnswer(msg)
        return response.status, answer
