"""aiohttp's WebSocket client on uvloop, its fastest loop: `receive` in a loop, text left as bytes."""

import ssl
from typing import Any

import aiohttp
import uvloop

from benchmarks.peers.same_work import Work
from benchmarks.peers.work import HEADERS, Job, serve


async def _run(job: Job) -> dict[str, Any]:
    work = Work(job)
    take = work.take
    context = ssl.create_default_context(cafile=job.certificate) if job.certificate else True
    timeout = aiohttp.ClientWSTimeout(ws_close=0.1)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            job.url, ssl=context, headers=HEADERS, max_msg_size=0, decode_text=False, timeout=timeout
        ) as socket,
    ):
        await socket.send_str(job.subscribe)
        while not take((await socket.receive()).data):
            pass
    return work.answer()


if __name__ == "__main__":
    serve(lambda job: uvloop.run(_run(job)), "aiohttp", "uvloop")
