"""websockets on Trio."""

import trio
from websockets.trio.client import connect

from benchmarks.peers.websockets_read import read
from benchmarks.peers.work import serve

if __name__ == "__main__":
    serve(lambda job: trio.run(read, connect, job), "websockets", "trio")
