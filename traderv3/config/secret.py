"""Text that must not be printed by accident.

Never: the text in a repr, a str, a format, a pickle or an error. Whoever needs it calls `reveal` and shows it nobody.
"""

import hmac
from typing import Never


class Secret:
    """Wraps a key, a token or a URL with a password."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that signs or compares with it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> Never:
        msg = "a Secret is not pickled"
        raise TypeError(msg)
