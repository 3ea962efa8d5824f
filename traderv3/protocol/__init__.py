"""Kalshi's wire without I/O: bytes in, facts out. No socket, no clock, no task.

`frames` splits WebSocket bytes. The books: `wire` mirrors the messages, `session` keeps one connection's subscription with
the help of `subscription` (its life and commands), `sequence` (its numbers) and `book_keeper` (what its books are worth).
Everything else on the socket: `channel_wire`, `channel_facts`, and `channel_session` with one `channel` each.
`signing` makes and checks the three access headers, `rest` and its neighbours mirror the REST answers.
"""
