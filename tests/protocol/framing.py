"""WebSocket frames as bytes, the way a server writes them."""

from typing import Final

FIN: Final = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode: int, payload: bytes = b"", *, is_final: bool = True, reserved: int = 0) -> bytes:
    """One unmasked frame, its length written as short as may be."""
    head = bytes([opcode | (FIN if is_final else 0) | reserved])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload
