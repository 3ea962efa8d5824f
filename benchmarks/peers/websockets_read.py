"""What both peers of the `websockets` library do: `async with connect`, `recv(decode=False)` in a loop."""

import ssl
from collections.abc import Callable
from typing import Any

from benchmarks.peers.same_work import Work
from benchmarks.peers.work import HEADERS, Job


async def read(connect: Callable[..., Any], job: Job) -> dict[str, Any]:
    """The whole job, over the connection that the library makes on this loop."""
    work = Work(job)
    take = work.take
    context = ssl.create_default_context(cafile=job.certificate) if job.certificate else None
    async with connect(
        job.url, ssl=context, additional_headers=HEADERS, max_size=None, compression=None, close_timeout=0.1
    ) as socket:
        await socket.send(job.subscribe)
        while not take(await socket.recv(decode=False)):
            pass
    return work.answer()
