"""picows on uvloop, the fastest WebSocket client for Python that we know: frames split in C, a callback a frame."""

import ssl
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.peers.same_work import Work
from benchmarks.peers.work import HEADERS, Job, serve


class _Listener(WSListener):  # type: ignore[misc]
    def __init__(self, work: Work) -> None:
        super().__init__()
        self._take = work.take
        self._subscribe = work.watch.job.subscribe.encode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self._subscribe)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._take(frame.get_payload_as_bytes()):
            transport.disconnect()


async def _run(job: Job) -> dict[str, Any]:
    work = Work(job)
    context = ssl.create_default_context(cafile=job.certificate) if job.certificate else None
    transport, _ = await ws_connect(
        lambda: _Listener(work), job.url, ssl_context=context, extra_headers=list(HEADERS.items())
    )
    await transport.wait_disconnected()
    return work.answer()


if __name__ == "__main__":
    serve(lambda job: uvloop.run(_run(job)), "picows", "uvloop")
