"""What every benchmark leans on: turns, medians, ratios, promises, and the page that is written from them."""

from pathlib import Path

import msgspec
import pytest

from benchmarks import NAMES, runner
from benchmarks.rounds import Figure, Report, Result, arguments, in_turns, number, one, percentile, ratio, spread
from traderv3 import bench, cli


def test_candidates_take_turns_and_warm_ups_do_not_count() -> None:
    calls: list[str] = []
    took = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)

    assert {name: len(each) for name, each in took.items()} == {"a": 3, "b": 3}
    assert sorted(calls) == ["a"] * 4 + ["b"] * 4
    assert all(set(calls[at : at + 2]) == {"a", "b"} for at in range(0, 8, 2))


def test_a_ratio_is_taken_round_by_round() -> None:
    assert ratio([10.0, 40.0, 9.0], [1.0, 2.0, 3.0]) == spread([10.0, 20.0, 3.0])


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1.0)] == [50.0, 99.0, 100.0, 100.0]


@pytest.mark.parametrize(("value", "text"), [(12_345.6, "12,346"), (20.04, "20.0"), (1.234, "1.23"), (0.0, "0.00")])
def test_a_figure_has_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


def test_a_missed_promise_is_the_exit_code_but_not_of_a_quick_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []
    for options in ([], ["--quick"]):
        monkeypatch.setattr("sys.argv", ["bench", "--json", str(tmp_path / "out.json"), *options])
        report = Report("test", arguments("A test."))
        report.figure("speed", one(1.0), "times", at_least=2.0)
        codes.append(report.finish())
    result = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Result)

    assert codes == [1, 0]
    assert result.figures[0].goal == "≥ 2"
    assert not result.figures[0].is_met


def test_the_page_says_what_was_kept_and_what_was_missed() -> None:
    figures = [Figure("speed", one(1.0), "times", at_least=2.0), Figure("size", one(3.0), "MB", at_most=4.0)]
    result = Result("test", is_quick=False, figures=figures, rounds=3, absent={"picows": "no wheel"})
    table = runner.table({"test": runner.Run(result, "2026-11-23 03:00 UTC", "a machine")})

    assert "| speed | 1.00 times | ≥ 2 | **missed** |" in table
    assert "| size | 3.00 MB | ≤ 4 | kept |" in table
    assert "Absent: picows (no wheel)." in table
    assert "3 rounds, 2026-11-23 03:00 UTC; a machine" in table


def test_the_page_is_written_between_its_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, plot = tmp_path / "performance.md", tmp_path / "images" / "performance.svg"
    page.write_text(f"# By hand\n{runner.BEGIN}\nearlier figures\n{runner.END}\nby hand, too\n")
    for name, path in (("PAGE", page), ("PLOT", plot), ("RESULTS", tmp_path / "results.json"), ("ROOT", tmp_path)):
        monkeypatch.setattr(runner, name, path)
    bars = [Figure(f"50 markets: {name}", one(us), "us a message") for name, us in (("ours", 1.6), ("raw socket", 0.1))]
    for figures in (bars, [*bars, Figure("50 markets: ours to x", one(12.0), "times", at_least=10.0)]):
        result = Result("feed", is_quick=False, figures=figures, rounds=1)
        runner.write({"feed": runner.Run(result, "2026-11-23 03:00 UTC", "a machine")})
    text = page.read_text()

    assert text.startswith("# By hand\n")
    assert text.endswith(f"{runner.END}\nby hand, too\n")
    assert "earlier figures" not in text
    assert text.count("| 50 markets: ours to x | 12.00 times | ≥ 10 | kept |") == 1
    assert "<svg" in plot.read_text()


def test_every_benchmark_that_is_named_exists_and_says_what_it_is() -> None:
    assert all(runner._about(name).endswith((".", ":")) for name in NAMES)


def test_without_a_checkout_it_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = cli._parser("bench").parse_args(["bench"])

    assert bench.main(args, tmp_path) == 2
    assert "no benchmarks" in capsys.readouterr().err
