"""Open points of connections: frames and pings, how an upgrade is refused, how a connection ends."""

import json
from typing import Any, Final

from tests.clients.readings.table import point
from tests.clients.scripted_venue import Conversation, count, http_answer, price
from tests.protocol.framing import BINARY, CONTINUATION, PING, TEXT, frame

# -- frames ------------------------------------------------------------------------------------------------------------


@point("no newline behind a message")
class NoNewline(Conversation):
    def encode(self, message: dict[str, Any]) -> bytes:
        return super().encode(message).rstrip()


@point("spaces and line breaks inside a message")
class Pretty(Conversation):
    def encode(self, message: dict[str, Any]) -> bytes:
        return b" \r\n" + json.dumps(message, indent=2).encode() + b"\n\n"


@point("two objects in one frame")
class TwoInAFrame(Conversation):
    """Not allowed, and not understood: what was in it counts as lost."""

    def tell_delta(self, ticker: str, side: str, at: int, change: int) -> None:
        before = len(self.wire)
        super().tell_delta(ticker, side, at, change)
        if self.seq % 25 == 0:
            del self.wire[before:]
            body = {**self.names(ticker), "price_dollars": price(at), "delta_fp": count(change), "side": side}
            one = self.encode({"type": "orderbook_delta", "sid": self.sid, "seq": self.seq, "msg": body})
            self.say_bytes(one + self.encode({"type": "ok"}))


@point("messages in fragments")
class Fragments(Conversation):
    def framed(self, payload: bytes) -> bytes:
        third = len(payload) // 3
        return (
            frame(TEXT, payload[:third], is_final=False)
            + frame(PING, b"in between")
            + frame(CONTINUATION, payload[third : 2 * third], is_final=False)
            + frame(CONTINUATION, payload[2 * third :])
        )


@point("messages as binary frames")
class Binary(Conversation):
    def framed(self, payload: bytes) -> bytes:
        return frame(BINARY, payload)


@point("messages begun with a byte-order mark", is_live=False, sentence="unanswered|could not be read|not answer")
class ByteOrderMark(Conversation):
    def encode(self, message: dict[str, Any]) -> bytes:
        return b"\xef\xbb\xbf" + super().encode(message)


@point("no pings")
class NoPings(Conversation):
    def ping(self) -> bytes:
        return b""


@point("pings of other payloads")
class OtherPings(Conversation):
    def ping(self) -> bytes:
        return frame(PING) + frame(PING, b"\x00" * 125)


@point("the socket falls silent", sentence="silent for 30 s")
class FallsSilent(Conversation):
    """TCP stays up, nothing comes any more, not even an answer to a ping; the books stand still until the next connection."""

    is_silent = False

    def on_open(self) -> None:
        self.venue.is_frozen = False
        if len(self.venue.connected_at) == 1:
            self.venue.later(20.0, self.fall_silent)

    def fall_silent(self) -> None:
        self.venue.is_frozen = self.is_silent = True

    def ping(self) -> bytes:
        return b"" if self.is_silent else super().ping()

    def hear(self, text: str) -> None:
        if not self.is_silent:
            super().hear(text)

    def pong(self, payload: bytes) -> None:
        if not self.is_silent:
            super().pong(payload)


# -- the upgrade -------------------------------------------------------------------------------------------------------


@point(
    "permessage-deflate forced upon us", is_live=False, sentence="extension that we did not ask for: permessage-deflate"
)
class DeflateForced(Conversation):
    def extensions(self) -> bytes:
        return b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


def refused(name: str, answer: bytes, *, sentence: str, times: int | None = None, **more: Any) -> None:
    class Reading(Conversation):
        def refusal(self, attempt: int) -> bytes | None:
            return answer if times is None or attempt <= times else None

    point(f"upgrade refused: {name}", sentence=sentence, **more)(Reading)


EXPIRED: Final = b'{"error":{"code":"header_timestamp_expired","message":"header timestamp expired"}}'
HTML: Final = b"<html><body><h1>401 Authorization Required</h1></body></html>"
REFUSED_KEY: Final = {"is_live": False, "connections_max": 2}
refused("401 with an empty body", http_answer("401 Unauthorized"), sentence="HTTP 401", **REFUSED_KEY)
refused("401 with JSON", http_answer("401 Unauthorized", EXPIRED), sentence="header timestamp expired", **REFUSED_KEY)
refused("401 with HTML", http_answer("401 Unauthorized", HTML, "text/html"), sentence="HTTP 401", **REFUSED_KEY)
refused("403 with text", http_answer("403 Forbidden", b"Forbidden\n", "text/plain"), sentence="HTTP 403", **REFUSED_KEY)
refused("401 once", http_answer("401 Unauthorized", EXPIRED), sentence="HTTP 401", times=1)
refused(
    "429 for ever",
    http_answer("429 Too Many Requests", b'{"error":"too many requests"}'),
    sentence="HTTP 429",
    is_live=False,
)
refused(
    "429 three times",
    http_answer("429 Too Many Requests", b'{"error":"too many requests"}'),
    sentence="HTTP 429",
    times=3,
)
refused("503 three times", http_answer("503 Service Unavailable", b"", "text/html"), sentence="HTTP 503", times=3)
refused(
    "302 to elsewhere",
    b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    sentence="HTTP 302",
    is_live=False,
)
refused("no HTTP at all", b"\x00\x01\x02\r\n\r\n", sentence="handshake", is_live=False)


# -- the end of a connection -------------------------------------------------------------------------------------------


def ends(name: str, code: int | None, reason: str = "", *, after_s: float = 25.0, **more: Any) -> None:
    class Reading(Conversation):
        def on_open(self) -> None:
            self.venue.later(after_s, lambda: self.close(code, reason))

    point(f"the connection ends: {name}", **more)(Reading)


for close_code in (1000, 1001, 1008, 1011, 1012, 1013, 4000, 4999):
    ends(f"close {close_code}", close_code, "maintenance", sentence=f"code {close_code} 'maintenance'")
ends("abruptly", None, sentence="without a close frame")
ends("at once, always", None, after_s=0.0, is_live=False, sentence="ended")
ends("at once with 1013", 1013, after_s=0.0, is_live=False, sentence="code 1013")
