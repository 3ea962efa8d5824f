"""WebSocket frames without I/O: takes the server's bytes apart into whole data messages and everything else.

Data messages (text or binary, fragments joined) are handed out as payloads; control frames are passed on byte for byte
to whoever keeps the connection (trio-websocket), interleaved ones included, so that order among each kind is kept.
Source: RFC 6455 section 5. No extension is negotiated, so a reserved bit is an error; a server never masks.
Never: unbounded. A message above `message_max` bytes ends the connection.
"""

from struct import Struct
from typing import Final, NoReturn

from traderv3.domain.errors import RemoteProtocolError

MESSAGE_MAX: Final = 16 * 1024 * 1024  # a snapshot of 10,000 levels a side is 0.5 MB

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0x0, 0x1, 0x2, 0x8
# The frame that a feed is made of: a whole text of 126 to 65,535 bytes, whose head is four bytes long.
_HEAD: Final = Struct(">HH")
_PLAIN: Final = (_FIN | _TEXT) << 8 | 126
_PLAIN_MIN, _PLAIN_MAX = 126, 65_535


class FrameReader:
    """Splits one connection's bytes. After an error it must not be used further."""

    __slots__ = ("_fragments", "_message_max", "_needed", "_rest", "is_closed")

    def __init__(self, *, message_max: int = MESSAGE_MAX) -> None:
        self._rest = bytearray()  # the beginning of a frame not yet whole
        self._needed = 0  # bytes until looking at the rest again is worth it: keeps a long message linear
        self._fragments: bytearray | None = None  # the beginning of a message not yet whole
        self._message_max = message_max
        self.is_closed = False  # a close frame came: nothing behind it counts

    def receive(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take bytes as they came; return the data messages now complete and the control frames' bytes, both in order.

        Raises `RemoteProtocolError` at a frame that the protocol does not allow.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return [], b""
            view = bytes(self._rest)
        else:
            view = bytes(data)
        messages: list[bytes] = []
        control: list[bytes] = []
        at, self._needed = 0, 0
        while not self.is_closed:
            if self._fragments is None:
                at = self._take_plain(view, at, messages)
            if at == len(view):
                break
            end = self._take_any(view, at, messages, control)
            if end == at:
                break
            at = end
        self._rest = bytearray(b"" if self.is_closed else view[at:])
        return messages, b"".join(control)

    def _take_plain(self, view: bytes, at: int, messages: list[bytes]) -> int:
        """Take the frames from `at` on that need no second look; where the first other one begins."""
        head, take, last = _HEAD.unpack_from, messages.append, len(view) - _HEAD.size
        size, most = len(view), min(self._message_max, _PLAIN_MAX)
        while at <= last:
            kind, length = head(view, at)
            end = at + 4 + length
            if kind != _PLAIN or end > size or not _PLAIN_MIN <= length <= most:
                break
            take(view[at + 4 : end])
            at = end
        return at

    def _take_any(self, view: bytes, at: int, messages: list[bytes], control: list[bytes]) -> int:
        """Take one frame at `at`, whatever it is; where it ends, or `at` if it is not whole or there is nothing to take."""
        size = len(view)
        if size - at < 2:
            return at
        first, length = view[at], view[at + 1]
        start = at + 2
        if length >= 126:
            if length > 127:
                msg = "the server masked a frame"
                raise RemoteProtocolError(msg)
            start += 2 if length == 126 else 8
            if start > size:
                return at
            shortest = 126 if length == 126 else 65_536
            length = int.from_bytes(view[at + 2 : start], "big")
            if not shortest <= length <= self._message_max:
                self._refuse(length)
        end = start + length
        if end > size:
            self._needed = end - at
            return at
        if first & _OPCODE >= _CLOSE:
            self._check_control(first, length)
            control.append(view[at:end])
            self.is_closed = first & _OPCODE == _CLOSE
        elif first == _FIN | _TEXT and self._fragments is None:
            messages.append(view[start:end])
        else:
            whole = self._take_fragment(first, view[start:end])
            if whole is not None:
                messages.append(whole)
        return end

    def _check_control(self, first: int, length: int) -> None:
        if first & _RESERVED or not first & _FIN or length > 125 or first & _OPCODE > 0xA:
            msg = f"malformed control frame 0x{first:02x} of {length} bytes"
            raise RemoteProtocolError(msg)

    def _take_fragment(self, first: int, payload: bytes) -> bytes | None:
        """Take a data frame that is a fragment or binary; return the message if it is now complete."""
        opcode = first & _OPCODE
        if first & _RESERVED or opcode > _BINARY:
            msg = f"data frame 0x{first:02x} uses what was not negotiated"
            raise RemoteProtocolError(msg)
        if (opcode == _CONTINUATION) != (self._fragments is not None):
            msg = "a fragment without its beginning, or a message inside another"
            raise RemoteProtocolError(msg)
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += payload
        if len(self._fragments) > self._message_max:
            self._refuse(len(self._fragments))
        if not first & _FIN:
            return None
        whole = bytes(self._fragments)
        self._fragments = None
        return whole

    def _refuse(self, length: int) -> NoReturn:
        why = (
            f"at most {self._message_max} are taken" if length > self._message_max else "its length is written too long"
        )
        msg = f"a message of {length} bytes; {why}"
        raise RemoteProtocolError(msg)
