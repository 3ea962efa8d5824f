"""Facts from checks that compare what we hold with what the venue says elsewhere. Times in microseconds since the epoch."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class BookDisagrees:
    """A live book equalled the venue's REST book at no moment of a window, twice: `levels_differing` at the closest."""

    name: ClassVar[str] = "book_disagrees"
    ticker: str
    connection: str
    levels_differing: int
    at_us: int
