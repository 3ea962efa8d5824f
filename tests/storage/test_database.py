"""The database, SQLite and PostgreSQL alike: every row once, the schema from any version, and errors told apart."""

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.storage.making import AT_US, ONE_OF_EACH, files_of_at_most, numbers, read, stored, transition
from tests.storage.postgres_server import PASSWORD, PostgresServer, free_port
from traderv3.storage.database import (
    Database,
    DatabaseProblem,
    DatabaseTrouble,
    RowsRefused,
    open_database,
    open_driver,
)
from traderv3.storage.rows import ROW_TYPES, Stored, columns
from traderv3.storage.schema import MIGRATIONS, VERSION, VERSION_TABLE


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url, wall_us=lambda: AT_US)
    yield opened
    opened.close()


def test_there_is_one_of_each_kind_of_row_to_test_with() -> None:
    assert {type(row) for row in ONE_OF_EACH} == set(ROW_TYPES)


def test_every_kind_of_row_is_read_back_as_it_was_written(url: str, database: Database) -> None:
    assert database.write(stored(*ONE_OF_EACH)) == len(ONE_OF_EACH)

    for seq, row in enumerate(ONE_OF_EACH, start=1):
        kind = type(row)
        found = read(url, f"SELECT run_id, seq, {', '.join(columns(kind))} FROM {row.table}")
        fields = dict(zip(columns(kind), found[0][2:], strict=True))
        assert [values[:2] for values in found] == [("run", seq)]
        assert msgspec.convert({**fields, "row": kind.__struct_config__.tag}, kind, strict=False) == row


def test_the_columns_are_the_fields(url: str, database: Database) -> None:
    database.write(stored(transition(1)))

    for kind in ROW_TYPES:
        listed = (
            read(url, f"SELECT name FROM pragma_table_info('{kind.table}')")
            if url.startswith("sqlite")
            else read(url, f"SELECT column_name FROM information_schema.columns WHERE table_name = '{kind.table}'")
        )
        assert {name for (name,) in listed} == {"run_id", "seq", *columns(kind)}


def test_a_row_handed_over_again_is_there_once(url: str, database: Database) -> None:
    batch = stored(*(transition(number) for number in range(100)))

    assert database.write(batch[:60]) == 60
    assert database.write(batch[40:]) == 40
    assert database.write(batch) == 0
    assert numbers(url) == list(range(1, 101))


def test_two_runs_in_one_database_do_not_disturb_each_other(url: str) -> None:
    started = threading.Barrier(2)

    def trade(run_id: str) -> None:
        opened = open_database(url, wall_us=lambda: AT_US)
        started.wait(10)
        for first in range(1, 301, 100):
            write_at_last(opened, stored(*(transition(n) for n in range(100)), run_id=run_id, first=first))
        opened.close()

    threads = [threading.Thread(target=trade, args=(run_id,)) for run_id in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers(url, "one") == numbers(url, "two") == list(range(1, 301))


def write_at_last(database: Database, batch: list[Stored]) -> None:
    """As the write queue does it: again after trouble, such as a file that another is just making."""
    for _ in range(20):
        try:
            database.write(batch)
        except DatabaseTrouble:
            database.close()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(batch[0].run_id)


# -- the schema --------------------------------------------------------------------------------------------------------


def apply(url: str, versions: int) -> None:
    driver = open_driver(url)
    driver.connect()
    with driver.transaction() as cursor:
        cursor.execute(VERSION_TABLE)
        for version, statements in enumerate(MIGRATIONS[:versions], start=1):
            for statement in statements:
                cursor.execute(statement)
            cursor.execute("INSERT INTO schema_version VALUES (?, ?)", (version, 1))
        if versions:
            cursor.execute("INSERT INTO transitions VALUES ('old', 1, 5, 'startup', 'error', 'of long ago')")
    driver.close()


@pytest.mark.parametrize("found", range(VERSION + 1))
def test_a_database_of_any_earlier_version_is_brought_up_to_date_with_its_rows(
    url: str, database: Database, found: int
) -> None:
    apply(url, found)

    database.write(stored(transition(1)))

    assert read(url, "SELECT version FROM schema_version ORDER BY version") == [(v + 1,) for v in range(VERSION)]
    assert numbers(url, "old") == ([1] if found else [])
    assert numbers(url) == [1]
    assert read(url, "SELECT count(*) FROM gap_journal") == [(0,)]


def test_a_database_of_a_later_version_is_left_alone(url: str, database: Database) -> None:
    apply(url, VERSION)
    driver = open_driver(url)
    driver.connect()
    with driver.transaction() as cursor:
        cursor.execute("INSERT INTO schema_version VALUES (?, ?)", (VERSION + 1, 1))
    driver.close()

    with pytest.raises(DatabaseTrouble, match=f"has schema {VERSION + 1}.*knows {VERSION}.*later version"):
        database.write(stored(transition(1)))


def test_a_migration_that_fails_leaves_the_version_before_it(
    url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(url, 1)
    broken = (MIGRATIONS[0], ("CREATE TABLE extra (a TEXT)", "CREATE NONSENSE"))
    monkeypatch.setattr("traderv3.storage.database.MIGRATIONS", broken)

    with pytest.raises(DatabaseTrouble):
        database.write(stored(transition(1)))
    monkeypatch.undo()
    database.write(stored(transition(1)))

    assert read(url, "SELECT max(version) FROM schema_version") == [(VERSION,)]
    with pytest.raises(DatabaseTrouble):
        read(url, "SELECT * FROM extra")


# -- rows that are refused ---------------------------------------------------------------------------------------------


def with_text(text: object) -> Stored:
    return stored(msgspec.structs.replace(transition(2), context=text), first=2)[0]


@pytest.mark.parametrize("wrong", [None, "\ud800", {}])
def test_a_row_that_is_wrong_is_refused_and_takes_nothing_along(url: str, database: Database, wrong: object) -> None:
    good = stored(transition(1))

    with pytest.raises(RowsRefused):
        database.write([*good, with_text(wrong)])

    assert database.write(good) == 1
    assert numbers(url) == [1]


def test_a_number_beyond_64_bits_is_refused(database: Database) -> None:
    with pytest.raises(RowsRefused):
        database.write(stored(transition(2**63)))


@pytest.mark.process
def test_text_with_a_null_is_refused_by_postgres(postgres: PostgresServer) -> None:
    database = open_database(postgres.new_database(), wall_us=lambda: AT_US)

    with pytest.raises(RowsRefused, match="NUL"):
        database.write([with_text("a\0b")])
    database.close()


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_trouble_and_costs_nothing_once_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'trader.db'}"
    database = open_database(url, wall_us=lambda: AT_US)
    database.write(stored(*(transition(number) for number in range(100))))
    batch = stored(*(transition(number) for number in range(5_000)), first=101)

    with files_of_at_most(200_000), pytest.raises(DatabaseTrouble):
        database.write(batch)
    database.close()

    assert database.write(batch) == 5_000
    database.close()
    assert numbers(url) == list(range(1, 5_101))


def test_a_locked_file_is_trouble_until_the_lock_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traderv3.storage.sqlite.BUSY_S", 0.05)
    database = open_database(f"sqlite:///{tmp_path / 'trader.db'}", wall_us=lambda: AT_US)
    database.write(stored(transition(1)))
    other = sqlite3.connect(tmp_path / "trader.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(DatabaseTrouble, match="locked"):
        database.write(stored(transition(2), first=2))
    other.execute("ROLLBACK")
    other.close()

    assert database.write(stored(transition(2), first=2)) == 1
    database.close()


def test_a_file_that_is_no_database_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "trader.db").write_bytes(b"once upon a time " * 100)
    database = open_database(f"sqlite:///{tmp_path / 'trader.db'}", wall_us=lambda: AT_US)

    with pytest.raises(DatabaseTrouble, match="not a database"):
        database.write(stored(transition(1)))
    database.close()


def test_a_file_that_was_deleted_under_us_is_trouble_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trader.db"
    database = open_database(f"sqlite:///{path}", wall_us=lambda: AT_US)
    database.write(stored(transition(1)))
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()

    with pytest.raises(DatabaseTrouble):
        database.write(stored(transition(2), first=2))
    database.close()

    assert database.write(stored(transition(2), first=2)) == 1
    database.close()


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatabaseTrouble):
        read(f"sqlite:///{tmp_path / 'trader.db'}", "SELECT 1")

    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite:///below/trader.db", wall_us=lambda: AT_US)

    database.write(stored(transition(1)))
    database.close()

    assert (tmp_path / "below" / "trader.db").exists()


@pytest.mark.process
def test_a_server_that_went_away_is_trouble_and_the_next_connection_works(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = open_database(url, wall_us=lambda: AT_US)
    batch = stored(*(transition(number) for number in range(10)))
    database.write(batch[:5])

    postgres.stop(signal.SIGQUIT)
    with pytest.raises(DatabaseTrouble):
        database.write(batch)
    database.close()
    with pytest.raises(DatabaseTrouble, match="refused"):
        database.write(batch)
    postgres.start()

    assert database.write(batch) == 5
    database.close()
    assert numbers(url) == list(range(1, 11))


@pytest.mark.process
def test_a_call_that_hangs_is_ended_from_another_thread(postgres: PostgresServer) -> None:
    database = open_database(postgres.new_database(), wall_us=lambda: AT_US)
    database.write(stored(transition(1)))
    postgres.freeze()
    abort = threading.Timer(0.3, database.abort)
    abort.start()

    try:
        with pytest.raises(DatabaseTrouble):
            database.write(stored(transition(2), first=2))
    finally:
        postgres.thaw()
        abort.join()
    database.close()

    assert database.write(stored(transition(2), first=2)) == 1
    database.close()


@pytest.mark.process
def test_no_message_holds_the_password(postgres: PostgresServer) -> None:
    wrong = postgres.url("no_such_database")
    database = open_database(wrong, wall_us=lambda: AT_US)

    with pytest.raises(DatabaseTrouble, match="does not exist") as caught:
        database.write(stored(transition(1)))

    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in database.name


def test_nobody_listening_is_trouble_within_seconds() -> None:
    database = open_database(f"postgresql://someone:hidden@127.0.0.1:{free_port()}/x", wall_us=lambda: AT_US)

    with pytest.raises(DatabaseTrouble, match="refused") as caught:
        database.write(stored(transition(1)))

    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "sqlite:///", "mysql://x", "sqlite://x", "postgresql://a:hidden@[::1/x"])
def test_a_url_that_names_no_database_is_a_problem_that_does_not_quote_it(url: str) -> None:
    with pytest.raises(DatabaseProblem) as caught:
        open_driver(url)

    assert "hidden" not in str(caught.value)
