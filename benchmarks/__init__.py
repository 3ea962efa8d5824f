"""Speed, measured by commands; see README.md in this folder. Nothing here is a timed test."""

from typing import Final

# What `traderv3 bench` runs, in the order of the table in docs/performance.md. Each is `python -m benchmarks.NAME`.
NAMES: Final = (
    "feed",
    "feed_stages",
    "book_apply",
    "tick_to_decision",
    "decision_to_wire",
    "gap_to_repaired",
    "kill_to_ready",
    "command_to_ready",
    "whole_process",
    "storage_cost",
    "replay",
    "exchange",
    "console_latency",
    "console_rendering",
    "memory",
    "event_bus",
    "database_outage",
)
