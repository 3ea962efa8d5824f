"""What a run was told: which environment, which hosts it may reach, with which key, and every bound of the system.

`environment` is the table of the four environments, `endpoints` the only way to name a host, `sources` and `settings`
turn files, process environment and command line into one checked `Settings`, `limits` holds the bounds.

Never: a socket, a clock, a task; and never half a configuration: all problems are reported at once, or none is left.
"""
