"""Listening sockets with the options that a server needs, and a way to cut a connection whose task cannot be cancelled.

Hypercorn shields its sends from cancellation, so a peer that stopped reading would hold its task for ever; shutting the
socket down underneath ends the send. Works wherever the open files of a process are listed (Linux, macOS).
"""

import os
import socket
import stat
from pathlib import Path
from typing import Final

UNACKED_MS: Final = 30_000  # a vanished peer's connection ends after so long with nothing acknowledged
BACKLOG: Final = 256
_OPEN_FILES: Final = Path("/dev/fd")


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket whose connections end when the peer is gone. Raises `OSError`, as when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MS)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def cut_connections(local_port: int, peer: tuple[str, int] | None = None) -> int:
    """Shut down this process's accepted connections on `local_port` (only the one to `peer`, if given); how many."""
    cut = 0
    for name in os.listdir(_OPEN_FILES):  # noqa: PTH208 - names, not paths
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            connection = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # closed meanwhile
        with connection:
            try:
                if connection.getsockname()[1] != local_port:
                    continue
                if peer is not None and connection.getpeername()[:2] != peer:
                    continue
                connection.getpeername()  # raises on the listener
                connection.shutdown(socket.SHUT_RDWR)
            except (OSError, IndexError, TypeError):
                continue
            cut += 1
    return cut
