"""The REST answers that we read, in the venue's names, and its three error shapes.

Source: Kalshi's OpenAPI document 3.34.0. Cursors: an empty string or null ends the pages.
"""

from typing import Final

import msgspec

from traderv3.protocol.wire import UNDECODABLE


class Market(msgspec.Struct):
    """One market of `GET /markets`; only what discovery needs."""

    ticker: str
    event_ticker: str = ""
    status: str = ""
    volume_24h_fp: str = "0"
    open_interest_fp: str = "0"


class MarketsPage(msgspec.Struct):
    """`GET /markets`."""

    markets: list[Market]
    cursor: str | None = None


class ExchangeStatus(msgspec.Struct):
    """`GET /exchange/status`; also the body of its 503 and 504."""

    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None


class _Nested(msgspec.Struct):
    code: str = ""
    message: str = ""
    details: str = ""


class _ErrorBody(msgspec.Struct):
    error: _Nested | str | None = None
    code: str = ""
    message: str = ""
    details: str = ""
    msg: str = ""


_ADVICE: Final = {
    "NOT_FOUND": "this venue does not know the key id (demo and production keys are different)",
    "INCORRECT_API_KEY_SIGNATURE": "the private key does not belong to the key id",
    "header timestamp expired": "this machine's clock is off",
}


def advice(sentence: str) -> str:
    """What to do about a refused key, in brackets, or nothing."""
    return next((f" ({what})" for word, what in _ADVICE.items() if word in sentence), "")


def error_text(body: bytes) -> tuple[str | None, str]:
    """`(code, sentence)` of an error body in any of the three shapes; the code is None where the shape has none."""
    try:
        parsed = msgspec.json.decode(body, type=_ErrorBody)
    except UNDECODABLE:
        return None, body[:200].decode("utf-8", "replace").strip() or "no reason given"
    if isinstance(parsed.error, str):
        return None, parsed.error or "no reason given"
    inner = parsed.error or parsed
    sentence = " ".join(part for part in (inner.message, inner.details) if part)
    return inner.code or None, sentence or parsed.msg or inner.code or "no reason given"
