"""The scripts: syntax, argument passing, and that a set-up already done costs nothing."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPTS = [*sorted((REPOSITORY / "scripts").glob("*.sh")), REPOSITORY / ".ci" / "run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_sound_and_executable(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project whose tools only write down how they were called."""
    root = tmp_path / "project"
    shutil.copytree(REPOSITORY / "scripts", root / "scripts")
    (root / "frontend" / "src").mkdir(parents=True)
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (root / name).write_text(name)
    for name in ("package.json", "package-lock.json", "src/main.tsx"):
        (root / "frontend" / name).write_text(name)
    tools = tmp_path / "bin"
    tools.mkdir()
    calls = tmp_path / "calls"
    fake(tools / "node", "echo v20.19.0")
    fake(
        tools / "npm",
        f'echo "npm $1" >>{calls}; mkdir -p node_modules ../traderv3/console/static; '
        "touch ../traderv3/console/static/index.html",
    )
    (root / ".venv" / "bin").mkdir(parents=True)
    fake(root / ".venv" / "bin" / "python", f'case "$*" in *install*) echo "${{@: -1}}" >>{calls} ;; esac')
    (root / ".venv" / "bin" / "pip").write_text(f"#!{root}/.venv/bin/python\n")
    fake(root / ".venv" / "bin" / "traderv3", 'echo "$PWD:$*"')
    return root


def fake(path: Path, body: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{body}\n")
    path.chmod(0o755)


def call(clone: Path, *command: str) -> str:
    path = f"{clone.parent / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [clone / "scripts" / command[0], *command[1:]],
        env={**os.environ, "PATH": path},
        cwd=clone.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def calls_of(clone: Path) -> list[str]:
    calls = clone.parent / "calls"
    return calls.read_text().split("\n")[:-1] if calls.exists() else []


@pytest.mark.process
def test_a_second_set_up_starts_no_tool(clone: Path) -> None:
    call(clone, "setup.sh")
    first = calls_of(clone)
    started = time.perf_counter()
    call(clone, "setup.sh")
    took_s = time.perf_counter() - started

    assert first == [f"{clone}/requirements.lock", f"{clone}", "npm ci", "npm run"]
    assert calls_of(clone) == first
    assert took_s < 5  # 0.05 s; the bound only says that nothing was installed


@pytest.mark.process
def test_only_what_changed_is_done_again(clone: Path) -> None:
    call(clone, "setup.sh")
    before = len(calls_of(clone))
    (clone / "frontend" / "src" / "main.tsx").write_text("changed")
    call(clone, "setup.sh")
    (clone / "requirements.lock").write_text("changed")
    call(clone, "setup.sh")

    assert calls_of(clone)[before:] == ["npm run", f"{clone}/requirements.lock", f"{clone}"]


@pytest.mark.process
def test_what_the_checks_need_contains_what_running_needs(clone: Path) -> None:
    call(clone, "setup.sh", "--dev")
    before = calls_of(clone)
    call(clone, "setup.sh")

    assert before[0] == f"{clone}/requirements-dev.lock"
    assert calls_of(clone) == before


@pytest.mark.process
def test_without_node_the_trader_still_starts(clone: Path) -> None:
    fake(clone.parent / "bin" / "node", "echo v18.19.0")
    fake(clone.parent / "bin" / "id", "echo 1000")

    assert call(clone, "run-v3.sh", "sim").endswith("run sim\n")


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "handed_over"),
    [
        ([], "run"),
        (["sim"], "run sim"),
        (["sim", "auto:3"], "run sim --markets auto:3"),
        (
            ["sim", "auto", "8006", "--strategy", "spread_maker"],
            "run sim --markets auto --port 8006 --strategy spread_maker",
        ),
        (["sim", "--port", "0"], "run sim --port 0"),
        (["--port", "0"], "run --port 0"),
    ],
)
def test_run_hands_its_arguments_over_and_stays_in_the_callers_directory(
    clone: Path, arguments: list[str], handed_over: str
) -> None:
    assert call(clone, "run-v3.sh", *arguments) == f"{clone.parent}:{handed_over}\n"
