"""Listening sockets, and cutting connections from under a task that cannot be cancelled."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from traderv3.core.sockets import cut_connections, listen


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(listener: socket.socket, closing: ExitStack) -> tuple[socket.socket, socket.socket]:
    """A client and the accepted end."""
    client = closing.enter_context(socket.create_connection(listener.getsockname()[:2]))
    accepted = closing.enter_context(listener.accept()[0])
    return client, accepted


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_cutting_leaves_no_file_open(closing: ExitStack) -> None:
    listener = closing.enter_context(listen("127.0.0.1", 0))
    connect(listener, closing)
    closing.enter_context(Path(os.devnull).open("rb"))  # noqa: SIM115 - no socket; closed with the stack
    before = open_files()
    for _ in range(20):
        cut_connections(listener.getsockname()[1])

    assert open_files() == before


def test_every_accepted_connection_is_cut_and_the_listener_lives(closing: ExitStack) -> None:
    listener = closing.enter_context(listen("127.0.0.1", 0))
    pairs = [connect(listener, closing) for _ in range(3)]

    assert cut_connections(listener.getsockname()[1]) == 3
    assert [client.recv(1) for client, _ in pairs] == [b"", b"", b""]
    connect(listener, closing)


def test_only_the_named_peer_is_cut(closing: ExitStack) -> None:
    listener = closing.enter_context(listen("127.0.0.1", 0))
    (one, _), (other, accepted) = connect(listener, closing), connect(listener, closing)

    assert cut_connections(listener.getsockname()[1], one.getsockname()[:2]) == 1
    assert one.recv(1) == b""
    accepted.sendall(b"x")
    assert other.recv(1) == b"x"


def test_a_taken_port_raises_and_leaves_nothing_open(closing: ExitStack) -> None:
    listener = closing.enter_context(listen("127.0.0.1", 0))
    before = open_files()
    with pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])

    assert open_files() == before
