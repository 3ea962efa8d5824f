"""websockets on asyncio."""

import asyncio

from websockets.asyncio.client import connect

from benchmarks.peers.websockets_read import read
from benchmarks.peers.work import serve

if __name__ == "__main__":
    serve(lambda job: asyncio.run(read(connect, job)), "websockets")
