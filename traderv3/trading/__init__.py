"""Decisions: the engine and what it keeps (portfolio, day book), strategies, risk, reconciliation, latch and kill switch.

And in which state the trader is. Never: a socket.
"""
