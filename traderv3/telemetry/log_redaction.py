"""Makes a log line's fields plain, bounded and free of secrets, before anything else sees them.

Three nets: fields named like a secret are masked whole; registered texts (the private key, the control token) are
masked wherever they occur; whatever looks like a PEM private key is masked even if nobody registered it.
What comes out holds only None, bool, int, float, str, list and dict, shares nothing with what went in, and encodes as
JSON without an error.
"""

import functools
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

MASK: Final = "***"
TEXT_LENGTH_MAX: Final = 4_000  # a field that is longer is a payload, not a fact
TRACEBACK_LENGTH_MAX: Final = 16_000
DEPTH_MAX: Final = 6
ITEMS_MAX: Final = 200
SECRET_LENGTH_MIN: Final = 4  # masking shorter texts everywhere would eat ordinary words

_INT64: Final = 2**63
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SECRET_WORDS: Final = frozenset(
    {"authorization", "cookie", "passphrase", "password", "pem", "secret", "secrets", "signature", "token", "tokens"}
)

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]


@functools.lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret: `token`, `private_key`, `KALSHI-ACCESS-SIGNATURE`; not `key_id`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in {"id", "path", "length", "count"}:
        return False
    return words[-1] in {"key", "keys"} or {"private", "key"} <= set(words) or not _SECRET_WORDS.isdisjoint(words)


class Redactor:
    """Knows the registered secrets. `plain` may be called from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.register(secret)

    def register(self, secret: str) -> None:
        """Mask this text from now on, each longer line of it as well, and its form with escaped newlines."""
        lines = [line for line in secret.splitlines() if len(line) >= 16 and not line.startswith("-----")]
        forms = {secret.strip(), secret.strip().replace("\n", "\\n"), *lines}
        self._secrets |= {form for form in forms if len(form) >= SECRET_LENGTH_MIN}
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str, length_max: int = TEXT_LENGTH_MAX) -> str:
        """The text without secrets, cut to `length_max`, encodable as UTF-8. Masked before it is cut."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "-----BEGIN" in text:
            text = _PEM.sub(MASK, text)
        if len(text) > length_max:
            text = f"{text[:length_max]}… ({len(text)} characters)"
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        return text

    def fields(self, values: Mapping[str, object]) -> dict[str, Plain]:
        """All fields plain; those named like a secret masked whole."""
        return self._mapping(values, 0)

    def plain(self, value: object, depth: int = 0) -> Plain:
        """One value as plain data; a value of a type unknown here becomes its text."""
        match value:
            case None | bool():
                return value
            case int():
                return int(value) if -_INT64 <= value < _INT64 else str(value)
            case float():
                return float(value)
            case str():
                return self.text(str(value))
            case BaseException():
                return self.text(f"{type(value).__name__}: {_text_of(value)}")
            case Mapping() if depth < DEPTH_MAX:
                return self._mapping(value, depth)
            case list() | tuple() | set() | frozenset() if depth < DEPTH_MAX:
                kept = [self.plain(item, depth + 1) for item, _ in zip(value, range(ITEMS_MAX), strict=False)]
                return [*kept, f"… {len(value)} items"] if len(value) > ITEMS_MAX else kept
        return self.text(_text_of(value))

    def traceback(self, error: BaseException) -> str:
        """The traceback, groups included, cut in the middle where it is too long: both ends tell the most."""
        whole = self.text("".join(traceback.format_exception(error)), length_max=10 * TRACEBACK_LENGTH_MAX)
        half = TRACEBACK_LENGTH_MAX // 2
        return whole if len(whole) <= 2 * half else f"{whole[:half]}\n  …\n{whole[-half:]}"

    def _mapping(self, values: Mapping[object, object] | Mapping[str, object], depth: int) -> dict[str, Plain]:
        plain: dict[str, Plain] = {}
        for (name, value), _ in zip(values.items(), range(ITEMS_MAX), strict=False):
            key = self.text(str(name))
            is_masked = is_secret_name(key) and not isinstance(value, bool | int | float | None)
            plain[key] = MASK if is_masked else self.plain(value, depth + 1)
        return plain


def _text_of(value: object) -> str:
    """`str` of a stranger, whose own bug must not end the actor that only wanted to log it."""
    try:
        return str(value)
    except (ValueError, TypeError, AttributeError, LookupError, RuntimeError, ArithmeticError):
        return f"<{type(value).__name__} that cannot be printed>"
