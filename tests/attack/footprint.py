"""What a process holds, read from /proc: resident memory, open files, threads. Linux only, as these tests are."""

from dataclasses import dataclass
from pathlib import Path

from tests.running import eventually

OWN_FILES = 3  # REST connections that are kept for a while, the next segment of the journal
OWN_THREADS = 2  # Trio keeps idle workers for ten seconds


@dataclass(frozen=True)
class Footprint:
    """One process at one moment."""

    rss_kb: int
    files: int
    threads: int


def footprint(pid: int) -> Footprint:
    """What it holds now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Footprint(int(status["VmRSS"].split()[0]), files, int(status["Threads"]))


async def until_flat(pid: int, before: Footprint, *, rss_kb: int, within_s: float = 15.0) -> Footprint:
    """Wait until the process holds what it held before, its memory within `rss_kb`."""

    async def look() -> Footprint | None:
        now = footprint(pid)
        is_flat = (
            now.files <= before.files + OWN_FILES
            and now.threads <= before.threads + OWN_THREADS
            and now.rss_kb <= before.rss_kb + rss_kb
        )
        return now if is_flat else None

    try:
        found = await eventually(look, "flat", within_s)
    except AssertionError:
        msg = f"{before} became {footprint(pid)}"
        raise AssertionError(msg) from None
    assert found is not None
    return found
