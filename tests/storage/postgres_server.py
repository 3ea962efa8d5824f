"""A PostgreSQL server of the tests' own, from Debian's packages: own data folder, own port on loopback, own password.

It may be stopped and started again. It runs as the user `postgres` where the tests run as root, since root may not
start one. It ends with the tests, also if they are killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

READY_S = 30.0
STOP_S = 30.0
PASSWORD = "an @ and a / in it"  # what a URL must escape, and what no message may hold
# Ends the server when told how, and at once if the tests end without a word (killed): then its stdin ends. A shell,
# since the user `postgres` may not be able to reach our Python.
_KEEPER = '"$@" </dev/null & read -r how || how=QUIT; kill -s "$how" $!; wait $!'
_QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}


class NoPostgres(Exception):
    """There is none on this machine."""


class PostgresServer:
    """Made once, started and stopped as often as a test needs it."""

    def __init__(self) -> None:
        """Make the data folder. Raises `NoPostgres`."""
        self._programs = find_programs()
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        # Not pytest's folder: the user `postgres` may not look into it.
        self.folder = Path(tempfile.mkdtemp(prefix="v3-postgres-"))
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        self.port = free_port()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        subprocess.run(
            [
                self._programs / "initdb", "-D", self._data, "-U", "trader", "-A", "scram-sha-256", "-E", "UTF8",
                "--locale=C", "--no-sync", f"--pwfile={password}",
            ],
            check=True, cwd=self.folder, **_QUIET, **self._user,
        )  # type: ignore[call-overload]  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        """Where a database of that name is."""
        return f"postgresql://trader:an%20%40%20and%20a%20%2F%20in%20it@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database that nobody else has."""
        self._databases += 1
        name = f"trader_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement; what it returns, if anything."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            server = [self._programs / "postgres", "-D", self._data, "-p", str(self.port), "-k", self.folder]
            settings = ["listen_addresses=127.0.0.1", "fsync=off", "shared_buffers=16MB"]
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "keeper", *server, *(part for each in settings for part in ("-c", each))],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._user,
            )  # type: ignore[call-overload]
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._process is not None
                assert self._process.poll() is None, self._log.read_text(errors="replace")
                assert time.monotonic() < deadline, self._log.read_text(errors="replace")
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: in order, cutting its clients off; SIGQUIT: as a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate(how.name.removeprefix("SIG").encode() + b"\n", timeout=STOP_S)

    def freeze(self) -> None:
        """Let every process of the server stand still: connections stay, answers do not come."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal_all(self, what: signal.Signals) -> None:
        pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, what)


def find_programs() -> Path:
    """The folder of the newest server's programs. Raises `NoPostgres`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        msg = "PostgreSQL's server is not on this machine (Debian: apt-get install postgresql)"
        raise NoPostgres(msg)
    return Path(on_path).parent


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
