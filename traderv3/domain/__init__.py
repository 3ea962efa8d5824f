"""The trade's own words: units, books, errors sorted by who must act, states, and the facts that actors tell each other.

Nothing here waits, reads a clock, draws a random number or opens anything: every function is arguments in, value out.
"""
