"""TRADER V3: a live trader for Kalshi event contracts, one Trio process of supervised actors.

Where to start reading: `coordinator.py` is the map of the running system; each room's `__init__` says what it owns.
"""

__version__ = "0.1.0"
