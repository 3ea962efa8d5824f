"""The limit: the same bytes read from a blocking socket, 64 KiB at a time, and thrown away. No books."""

import bisect
import itertools
import socket
import ssl
import time
from typing import Any

from benchmarks.peers.work import Job, Watch, serve
from benchmarks.stream import framed, messages

READ_BYTES = 64 * 1024


def _run(job: Job) -> dict[str, Any]:
    watch = Watch(job)
    sizes = (len(framed(message)) for message in itertools.islice(messages(markets=job.markets), job.count))
    ends = list(itertools.accumulate(sizes))  # of each message in the stream
    head, size = ends[job.head - 1], ends[-1]
    whole = 0
    port = int(job.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as plain:
        connection = plain
        if job.certificate:
            context = ssl.create_default_context(cafile=job.certificate)
            connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
        connection.sendall(b"GET /trade-api/ws/v2 HTTP/1.1\r\nSec-WebSocket-Key: AAAA\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(READ_BYTES)
        subscribe = job.subscribe.encode()
        length = (
            b"\xfe" + len(subscribe).to_bytes(2, "big")
            if len(subscribe) < 65_536
            else (b"\xff" + len(subscribe).to_bytes(8, "big"))
        )
        connection.sendall(b"\x81" + length + bytes(4) + subscribe)
        got, is_timed = len(answer) - answer.index(b"\r\n\r\n") - 4, False
        while got < size:
            got += len(connection.recv(READ_BYTES))
            if job.moments:
                now_ns, before = time.monotonic_ns(), whole
                whole = bisect.bisect_right(ends, got, whole)
                watch.done_at_ns.extend([now_ns] * (whole - before))
            if got >= head and not is_timed:
                is_timed = True
                watch.start()
        watch.stop()
    return watch.answer("")


if __name__ == "__main__":
    serve(_run)
