"""Kalshi's wire without I/O: bytes in, facts out. No socket, no clock, no task.

`frames` splits WebSocket bytes, `wire` mirrors the venue's messages, `session` keeps one connection's subscriptions
and sequence numbers, `signing` makes and checks the three access headers, `rest` mirrors the REST answers.
"""
