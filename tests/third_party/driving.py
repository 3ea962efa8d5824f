"""What both drivers share: steps come in as JSON lines on stdin, each is answered with one JSON line on stdout.

A step is `{"do": NAME, ...}`, an answer `{"result": ...}`, or `{"refused": {"kind", "status", "says"}}` when the venue said
no; any other trouble ends the driver with a traceback on stderr. It runs inside a foreign environment: standard library only.
Units: prices, counts and money as the decimal text that the client holds; the test converts and compares.
"""

import json
import logging
import sys
from typing import Any, Final

KINDS: Final = ("trades", "lifecycle", "fills", "orders", "positions", "groups")  # of what is heard on the socket


def where() -> dict[str, str]:
    """What the test says on the command line: `api_url`, `ws_url`, `key_id`, `private_key_path`."""
    found: dict[str, str] = json.loads(sys.argv[1])
    return found


def read_step(line: str) -> tuple[str, dict[str, Any]]:
    """The verb of a step and its arguments."""
    step: dict[str, Any] = json.loads(line)
    return step.pop("do"), step


def answer(result: object) -> None:
    """Say what a step brought; decimals are printed as they are."""
    print(json.dumps({"result": result}, default=str), flush=True)


def refused(kind: str, status: int | None, says: str) -> None:
    """Say that the venue refused a step, in the client's own words."""
    print(json.dumps({"refused": {"kind": kind, "status": status, "says": says}}), flush=True)


class Complaints(logging.Handler):
    """Everything that the client logged as a warning or worse: it skips what it cannot read, and says so only there."""

    def __init__(self, logger: str) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        logging.getLogger(logger).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, with the reason where there is one."""
        why = record.exc_info[1] if record.exc_info else None
        self.said.append(record.getMessage() + (f": {why}" if why else ""))
