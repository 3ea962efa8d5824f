"""What people see: the console protocol (`messages`), the one builder of the picture (`status`) and the `broadcaster`.

The feed never waits for a browser: every client has a bounded outbox, and a client that does not read is let go.
"""
