"""Decisions: in which state the trader is, and (with later issues) engine, strategies, risk and reconciliation.

Never: a socket.
"""
