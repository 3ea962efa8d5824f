"""The embedded exchange: a process of its own on loopback that speaks Kalshi's own wire on one port.

What is inside, from the money outwards:

    claims ─ accounts, tariff, order_groups, lifecycle, matching
                 └── pit ── operations ── desk ◄─ participants        playback ◄─ protocol.recording
                                           └──────────┬──────────────────┘
                                                    floor ── listing, market      the public state, and who reads what
                                        ┌─────────────┼────────────────┐
              wire, member_wire ── session          replica ──────── rest ── rest_markets, rest_orders,
         client_commands, misdelivery ──┘                             │      rest_portfolio, rest_exchange
                                        └───────── exchange ──────────┘      auth, rate_limits, faults
                                                      │                      all of it without a socket
                                           server ── client, transport, control
                                                      │
                                                   command, life             arguments, the first JSON line, signals, the clock

Everything above `server` takes values or bytes in and gives them out, and the time as an argument: the same exchange serves
sockets, streams in memory on a virtual clock, and direct calls (`exchange.Exchange`).
Two sources of life: synthetic participants who trade with the members (default), or a recorded session, which takes no orders.
Units: prices 1e-4 dollar, sizes 0.01 contract, money 1e-6 dollar, times microseconds since the epoch, unless a name says
otherwise.
Source: docs.kalshi.com (AsyncAPI and OpenAPI, October 2026) and recorded sessions.
Never: imported by anything but `cli`, `coordinator` and tests; never listening anywhere but on 127.0.0.1.
"""
