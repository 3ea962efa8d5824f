"""The embedded exchange: a process of its own on loopback that speaks Kalshi's own wire on one port.

What is inside, from the money outwards:

    matching ◄─ participants          playback ◄─ protocol.recording
        └──────────┬───────────────────────┘
                floor ── listing, market      the public state: books, last trades, who reads what
        ┌──────────┴───────────┐
     session (per client)    rest              the two skins, bytes or values in and out, no socket
        └────── server ────────┘               the one file with sockets; auth, faults
                command                        arguments, the first JSON line, signals

Two sources of life: synthetic participants on a price-time matching engine (default), or a recorded session.
Units: prices 1e-4 dollar, sizes 0.01 contract, times microseconds since the epoch, unless a name says otherwise.
Source: docs.kalshi.com (AsyncAPI and OpenAPI, October 2026) and recorded sessions.
Never: imported by anything but `cli`, `coordinator` and tests; never listening anywhere but on 127.0.0.1.
"""
