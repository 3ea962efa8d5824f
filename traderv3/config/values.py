"""Single values of the configuration, from text to type: each parser returns the value or raises `ValueProblem`.

Ports and counts are plain decimal numbers; nothing is guessed and nothing is clamped.
"""

import ipaddress
import re
from pathlib import Path
from typing import Final

from traderv3.config.endpoints import PORT_MAX

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_LEVEL_DEFAULT: Final = "info"
CONNECTIONS_MAX: Final = 32  # one WebSocket carries hundreds of markets; more than this many is a typo

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_LOCAL_ORIGIN: Final = re.compile(r"http://(localhost|127\.0\.0\.1)(:[1-9][0-9]{0,4})?")
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")


class ValueProblem(ValueError):
    """Text that is not what the variable takes; the message says what it takes."""


def parse_flag(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    msg = f"{text[:20]!r} is neither true nor false"
    raise ValueProblem(msg)


def parse_number(text: str, low: int, high: int) -> int:
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        msg = f"{text[:20]!r} is not a whole number from {low} to {high}"
        raise ValueProblem(msg)
    return int(text)


def parse_port(text: str) -> int:
    """0 stands for any free port."""
    return parse_number(text, 0, PORT_MAX)


def parse_connections(text: str) -> int | None:
    return parse_number(text, 1, CONNECTIONS_MAX)


def parse_log_level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        msg = f"{text[:20]!r} is none of {', '.join(LOG_LEVELS)}"
        raise ValueProblem(msg)
    return level


def parse_bind_host(text: str) -> str:
    """An IP address or a host name to listen on."""
    host = text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        is_number_like = host.replace(".", "").isdigit()
        if _HOST_NAME.fullmatch(host) and not is_number_like:
            return host.lower()
    msg = f"{text[:60]!r} is neither an IP address nor a host name"
    raise ValueProblem(msg)


def expand(directory: Path, text: str) -> Path:
    """A path as written, `~` expanded, relative ones below `directory`. A `~name` of nobody stays as it is."""
    try:
        return directory / Path(text).expanduser()
    except RuntimeError:
        return directory / text


def is_loopback(host: str) -> bool:
    """Whether listening there is invisible to other machines. A name other than `localhost` is taken for visible."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_database_url(text: str) -> str:
    """`sqlite:///path` or `postgresql://…`. The text may hold a password and is never quoted."""
    if not text.startswith(("sqlite:///", "postgresql://")) or text.endswith("://"):
        msg = "is neither sqlite:///PATH nor postgresql://…"
        raise ValueProblem(msg)
    if any(character.isspace() or not character.isprintable() for character in text):
        msg = "contains a blank or control character"
        raise ValueProblem(msg)
    return text


def parse_origin(text: str) -> str | None:
    """The origin of the console's development server, as a browser writes it."""
    if not _LOCAL_ORIGIN.fullmatch(text):
        msg = f"{text[:60]!r} is not http://localhost:PORT or http://127.0.0.1:PORT"
        raise ValueProblem(msg)
    return text
