"""A log line as a person reads it, made from the same JSON line that is in the file. Used by terminal and `logs`.

Never: a control character of a venue's or a user's text on the terminal (it could move the cursor or forge a line).
"""

import re
from collections.abc import Mapping
from typing import Final

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
TRANSITION: Final = "state_transition"

_COLOURS: Final = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")
_OWN_FIELDS: Final = frozenset({"timestamp", "level", "component", "event", "exception"})
_INDENT: Final = " " * 11  # under the text after "[10:30:00] "


def printable(text: str) -> str:
    """The text with every character that could act on a terminal written out."""
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else "?", text)


def render(line: Mapping[str, object], *, is_coloured: bool) -> str:
    """One line (several with a context or a traceback), without the final newline."""
    at = printable(str(line.get("timestamp", "")))[11:19]
    if line.get("event") == TRANSITION and "from_state" in line and "to_state" in line:
        return _render_transition(at, line, is_coloured=is_coloured)
    level = printable(str(line.get("level", "")))
    component = printable(str(line.get("component", "")))
    event = printable(str(line.get("event", "")))
    fields = " ".join(f"{printable(name)}={_value(value)}" for name, value in line.items() if name not in _OWN_FIELDS)
    parts = [
        f"[{at}]",
        _paint(f"{level:<8}", _COLOURS.get(level, "0"), is_coloured=is_coloured),
        _paint(f"{component:<20}", "36", is_coloured=is_coloured),
        _paint(event, "1", is_coloured=is_coloured),
        fields,
    ]
    text = " ".join(parts).rstrip()
    exception = line.get("exception")
    if isinstance(exception, str):
        text += "".join(f"\n{_INDENT}{printable(part)}" for part in exception.rstrip().splitlines())
    return text


def _render_transition(at: str, line: Mapping[str, object], *, is_coloured: bool) -> str:
    """The original's form: `[10:30:00] STATE TRANSITION: startup → initializing`, the reason indented below."""
    states = f"{printable(str(line['from_state']))} → {printable(str(line['to_state']))}"
    text = f"[{at}] " + _paint(f"STATE TRANSITION: {states}", "1;35", is_coloured=is_coloured)
    context = printable(str(line.get("context", "")))
    return f"{text}\n{_INDENT}{context}" if context else text


def _value(value: object) -> str:
    if isinstance(value, str):
        text = printable(value)
        return f'"{text}"' if not text or any(character in ' "=' for character in text) else text
    return printable(str(value))


def _paint(text: str, code: str, *, is_coloured: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if is_coloured else text
