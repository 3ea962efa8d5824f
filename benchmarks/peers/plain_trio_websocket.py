"""trio-websocket as its documentation shows: `async with open_websocket_url`, `get_message` in a loop."""

import ssl
from typing import Any

import trio
import trio_websocket

from benchmarks.peers.same_work import Work
from benchmarks.peers.work import HEADERS, Job, serve


async def _run(job: Job) -> dict[str, Any]:
    work = Work(job)
    take = work.take
    context = ssl.create_default_context(cafile=job.certificate) if job.certificate else None
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    async with trio_websocket.open_websocket_url(job.url, ssl_context=context, extra_headers=headers) as socket:
        await socket.send_message(job.subscribe)
        while not take(await socket.get_message()):
            pass
    return work.answer()


if __name__ == "__main__":
    serve(lambda job: trio.run(_run, job), "trio-websocket", "wsproto", "trio")
