"""The tables, as migrations in order; the same SQL for SQLite and PostgreSQL.

A migration that was released is never changed: whoever needs another schema appends one. `schema_version` holds a row
for each that was applied. Prices, counts, money and times are BIGINT in the units of `rows`; SQLite reads the type names
by its affinity rules, so one spelling serves both.
Why no Alembic: two dialects with common SQL and inserts only need a list and a loop, not an engine.
"""

from typing import Final

_KEY: Final = "run_id TEXT NOT NULL, seq BIGINT NOT NULL, at_us BIGINT NOT NULL"


def _table(name: str, columns: str) -> str:
    return f"CREATE TABLE {name} ({_KEY}, {columns}, PRIMARY KEY (run_id, seq))"


_TABLES: Final = (
    _table("run_started", "environment TEXT NOT NULL, trader TEXT NOT NULL, version TEXT NOT NULL"),
    _table("run_ended", "reason TEXT NOT NULL, state_hash TEXT"),
    _table("transitions", "source TEXT NOT NULL, target TEXT NOT NULL, context TEXT NOT NULL"),
    _table(
        "gaps",
        "connection TEXT NOT NULL, what TEXT NOT NULL, missing BIGINT NOT NULL, books BIGINT NOT NULL, how TEXT,"
        " stale_ms BIGINT",
    ),
    _table("connections", "connection TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT, retry_ms BIGINT"),
    _table(
        "tops",
        "ticker TEXT NOT NULL, yes_bid BIGINT, yes_bid_size BIGINT NOT NULL, no_bid BIGINT,"
        " no_bid_size BIGINT NOT NULL, book_state TEXT NOT NULL",
    ),
    _table(
        "bars",
        "ticker TEXT NOT NULL, bid_open BIGINT, bid_high BIGINT, bid_low BIGINT, bid_close BIGINT, ask_open BIGINT,"
        " ask_high BIGINT, ask_low BIGINT, ask_close BIGINT, updates BIGINT NOT NULL, trades BIGINT NOT NULL,"
        " volume BIGINT NOT NULL",
    ),
    _table(
        "trades",
        "trade_id TEXT NOT NULL, ticker TEXT NOT NULL, yes_price BIGINT NOT NULL, count BIGINT NOT NULL,"
        " is_taker_yes BOOLEAN NOT NULL, is_block BOOLEAN NOT NULL, received_us BIGINT NOT NULL",
    ),
    _table(
        "orders",
        "order_id TEXT NOT NULL, client_order_id TEXT NOT NULL, ticker TEXT NOT NULL, status TEXT NOT NULL,"
        " is_yes BOOLEAN NOT NULL, yes_price BIGINT NOT NULL, initial BIGINT NOT NULL, filled BIGINT NOT NULL,"
        " remaining BIGINT NOT NULL, taker_cost BIGINT NOT NULL, maker_cost BIGINT NOT NULL,"
        " taker_fees BIGINT NOT NULL, maker_fees BIGINT NOT NULL, reason TEXT, received_us BIGINT NOT NULL",
    ),
    _table(
        "fills",
        "trade_id TEXT NOT NULL, order_id TEXT NOT NULL, client_order_id TEXT, ticker TEXT NOT NULL,"
        " is_yes BOOLEAN NOT NULL, is_taker BOOLEAN NOT NULL, yes_price BIGINT NOT NULL, count BIGINT NOT NULL,"
        " fee BIGINT NOT NULL, position BIGINT NOT NULL, received_us BIGINT NOT NULL",
    ),
    _table(
        "positions",
        "ticker TEXT NOT NULL, position BIGINT NOT NULL, cost BIGINT NOT NULL, realized_pnl BIGINT NOT NULL,"
        " fees_paid BIGINT NOT NULL",
    ),
    _table(
        "commands",
        "who TEXT NOT NULL, command TEXT NOT NULL, args TEXT NOT NULL, is_done BOOLEAN NOT NULL, result TEXT NOT NULL",
    ),
)

_BY_TIME: Final = ("run_started", "transitions", "connections")
_BY_MARKET: Final = ("tops", "bars", "trades", "orders", "fills", "positions")
_READING: Final = (
    *(f"CREATE INDEX {table}_at ON {table} (at_us)" for table in (*_BY_TIME, *_BY_MARKET, "commands")),
    *(f"CREATE INDEX {table}_of ON {table} (ticker, at_us)" for table in _BY_MARKET),
    "CREATE INDEX gaps_at ON gaps (at_us, run_id, connection)",
    # A gap is written when it is found and again when it is repaired: the later one tells it whole.
    "CREATE VIEW gap_journal AS SELECT * FROM gaps WHERE NOT EXISTS (SELECT 1 FROM gaps later"
    " WHERE later.at_us = gaps.at_us AND later.run_id = gaps.run_id AND later.connection = gaps.connection"
    " AND later.what = gaps.what AND later.seq > gaps.seq)",
    "CREATE VIEW runs AS SELECT s.run_id, s.environment, s.trader, s.version, s.at_us AS started_us,"
    " e.at_us AS ended_us, e.reason, e.state_hash FROM run_started s LEFT JOIN run_ended e ON e.run_id = s.run_id",
)

# A fill that REST tells of, because the socket lost it, has no position. Neither dialect's ALTER serves both.
_FILLS_WITHOUT_POSITION: Final = (
    _table(
        "fills_3",
        "trade_id TEXT NOT NULL, order_id TEXT NOT NULL, client_order_id TEXT, ticker TEXT NOT NULL,"
        " is_yes BOOLEAN NOT NULL, is_taker BOOLEAN NOT NULL, yes_price BIGINT NOT NULL, count BIGINT NOT NULL,"
        " fee BIGINT NOT NULL, position BIGINT, received_us BIGINT NOT NULL",
    ),
    "INSERT INTO fills_3 SELECT * FROM fills",
    "DROP TABLE fills",
    "ALTER TABLE fills_3 RENAME TO fills",
    "CREATE INDEX fills_at ON fills (at_us)",
    "CREATE INDEX fills_of ON fills (ticker, at_us)",
)

VERSION_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_us BIGINT NOT NULL)"
)
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    _TABLES,  # 1: everything that is kept
    _READING,  # 2: what reading it back by time and market needs
    _FILLS_WITHOUT_POSITION,  # 3
)
VERSION: Final = len(MIGRATIONS)
