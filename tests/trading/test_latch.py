"""The trading latch: durable before it is told, strict when in doubt, the same after a restart."""

import itertools
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.permission import Mode, NotKept, Stand
from traderv3.trading.latch import TradingLatch

NOW_US = 1_795_360_000_000_000


def latch(path: Path | None) -> TradingLatch:
    return TradingLatch(path, wall_us=lambda: NOW_US)


async def test_a_first_start_is_active_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sim" / "trading.json"

    assert latch(path).stand.mode is Mode.ACTIVE
    assert not path.exists()


async def test_a_halt_survives_a_restart_with_who_and_why(tmp_path: Path) -> None:
    path = tmp_path / "sim" / "trading.json"
    await latch(path).set(Mode.HALTED, by="console c1", reason="odd fills")
    again = latch(path)

    assert again.stand == Stand(Mode.HALTED, NOW_US, "console c1", "odd fills")
    assert again.trouble == "trading is halted by console c1: odd fills; no order is sent until `resume`"


@pytest.mark.parametrize(("first", "second"), list(itertools.product(Mode, Mode)))
async def test_any_mode_but_a_milder_halt_follows_any_other_and_is_kept_before_it_is_told(
    first: Mode, second: Mode, tmp_path: Path
) -> None:
    path = tmp_path / "trading.json"
    ours = latch(path)
    await ours.set(first, by="a", reason="")
    await ours.set(second, by="b", reason="")

    expected = first if (first, second) == (Mode.HALTED, Mode.REDUCING) else second  # only `resume` ends a halt
    assert ours.stand.mode is latch(path).stand.mode is expected
    assert (ours.trouble is None) == (expected is not Mode.HALTED)


@given(st.binary(max_size=100))
def test_whatever_cannot_be_read_is_a_halt(content: bytes) -> None:
    folder = Path(__file__).parent

    class Read(type(folder)):  # type: ignore[misc]
        def read_bytes(self) -> bytes:
            return content

    stand = latch(Read(folder / "trading.json")).stand

    assert stand.mode is Mode.HALTED
    assert "cannot be read" in stand.reason


async def test_a_directory_in_its_place_is_a_halt(tmp_path: Path) -> None:
    assert latch(tmp_path).stand.mode is Mode.HALTED


async def test_a_halt_holds_even_if_the_disk_refuses_it_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "sim").write_text("a file where the folder should be")
    ours = latch(None)
    ours._path = tmp_path / "sim" / "trading.json"

    with pytest.raises(NotKept, match="halted holds until a restart"):
        await ours.set(Mode.HALTED, by="a", reason="")
    assert ours.stand.mode is Mode.HALTED


async def test_a_resume_that_the_disk_refuses_changes_nothing(tmp_path: Path) -> None:
    ours = latch(None)
    await ours.set(Mode.HALTED, by="a", reason="")
    (tmp_path / "sim").write_text("a file where the folder should be")
    ours._path = tmp_path / "sim" / "trading.json"

    with pytest.raises(NotKept, match="halted still holds"):
        await ours.set(Mode.ACTIVE, by="a", reason="")
    assert ours.stand.mode is Mode.HALTED


async def test_every_change_is_heard_of_once(tmp_path: Path) -> None:
    heard: list[Mode] = []
    ours = TradingLatch(None, wall_us=lambda: NOW_US, on_change=lambda stand: heard.append(stand.mode))
    for mode in (Mode.REDUCING, Mode.HALTED, Mode.ACTIVE):
        await ours.set(mode, by="a", reason="")

    assert heard == [Mode.REDUCING, Mode.HALTED, Mode.ACTIVE]


async def test_a_halt_is_kept_even_if_whoever_said_it_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "trading.json"
    ours = latch(path)
    with trio.CancelScope() as scope:
        scope.cancel()
        await ours.set(Mode.HALTED, by="a", reason="")

    assert latch(path).stand.mode is Mode.HALTED
