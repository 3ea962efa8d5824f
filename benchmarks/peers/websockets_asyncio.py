"""websockets on asyncio: `async with connect`, `recv(decode=False)` in a loop."""

import asyncio
import ssl
from typing import Any

from websockets.asyncio.client import connect

from benchmarks.peers.same_work import Work
from benchmarks.peers.work import HEADERS, Job, serve


async def _run(job: Job) -> dict[str, Any]:
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


if __name__ == "__main__":
    serve(lambda job: asyncio.run(_run(job)), "websockets")
