"""The environments in which the third-party clients run: one each, made from pinned requirements and kept.

They lie under `.cache/third-party/` in this repository, named after a hash of the pins and the Python they are made of, so a
change of either makes a new one. Two test runs at once wait for each other (flock); a half-made one is made anew.
The pins are made with `uv pip compile --universal --python-version 3.N --generate-hashes --no-header --no-emit-index-url
--no-emit-find-links` from one line, PACKAGE==VERSION.
Never: a package without its hash, a build from source, or a change to this project's own environment.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
CACHE: Final = HERE.parent.parent / ".cache" / "third-party"
STAMP: Final = ".made"
MAKING_S: Final = 300.0  # measured: 10 s with wheels on disk; a slow line takes longer
MINORS: Final = range(11, 20)  # of Python 3, oldest first: the pins have wheels for it

# What pip says when its index did not answer: a warning for each retry, and at the end one of two errors.
NO_ANSWER: Final = re.compile(r"connection broken by")
GAVE_UP: Final = re.compile(r"No matching distribution found|Max retries exceeded")


class CannotMake(Exception):
    """The environment cannot be made here, for a reason that is not this project's; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class ThirdParty:
    """One foreign client: the name of its package, and the oldest Python 3.x that it runs on."""

    package: str
    minor_min: int

    @property
    def requirements(self) -> Path:
        """Its pins, with hashes."""
        return HERE / f"requirements-{self.package}.txt"

    @property
    def driver(self) -> str:
        """The module that runs it, seen from the root of this repository."""
        return f"tests.third_party.drive_{self.package.replace('-', '_')}"


KALSHI_SDK: Final = ThirdParty("kalshi-sdk", minor_min=12)
PYKALSHI: Final = ThirdParty("pykalshi", minor_min=11)
CLIENTS: Final = (KALSHI_SDK, PYKALSHI)


def interpreter_of(client: ThirdParty) -> Path:
    """The Python of the client's environment, which is made if it is not there yet. Raises `CannotMake`."""
    base = _base_python(client.minor_min)
    digest = hashlib.sha256(client.requirements.read_bytes() + str(base).encode()).hexdigest()[:16]
    folder = CACHE / f"{client.package}-{digest}"
    interpreter = folder / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / STAMP).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([str(base), "-m", "venv", str(folder)])
            pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
            _run([*pip, "--requirement", str(client.requirements)])
            (folder / STAMP).touch()
    return interpreter


def _base_python(minor_min: int) -> Path:
    """The interpreter to build on: ours if it will do, else the newest that the machine has."""
    if sys.version_info >= (3, minor_min):
        return Path(sys.base_prefix, "bin", "python3").resolve()
    for candidate in _candidates(minor_min):
        question = "import ensurepip, sys, venv; print(sys.executable)"
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True, check=False)
        if answer.returncode == 0:  # a shim of pyenv stands on the PATH and refuses to run
            return Path(answer.stdout.strip()).resolve()
    msg = f"no Python 3.{minor_min} or newer was found on the PATH or among pyenv's versions"
    raise CannotMake(msg)


def _candidates(minor_min: int) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for minor in MINORS:
        if minor >= minor_min:
            on_path = shutil.which(f"python3.{minor}")
            if on_path is not None:
                yield on_path
            yield from map(str, sorted(pyenv.glob(f"versions/*/bin/python3.{minor}"), reverse=True))


def _run(command: list[str]) -> None:
    made = subprocess.run(command, capture_output=True, text=True, timeout=MAKING_S, check=False)
    if made.returncode == 0:
        return
    said = made.stderr + made.stdout
    if is_unreachable(said):
        msg = "the package index cannot be reached, and the environment is not there yet"
        raise CannotMake(msg)
    raise AssertionError(f"{' '.join(command)} ended with {made.returncode}:\n{said[-3000:]}")


def is_unreachable(said: str) -> bool:
    """Whether this is pip saying that its index does not answer; a wrong hash or a missing wheel is not."""
    return NO_ANSWER.search(said) is not None and GAVE_UP.search(said) is not None
