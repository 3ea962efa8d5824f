"""The same doors under atheris, coverage-guided: `python -m tests.protocol.fuzz_atheris TARGET -runs=N`.

Runs in an environment of its own that has atheris; `test_fuzz.py` makes one.
"""

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of the throw-away environment only

with atheris.instrument_imports(include=["traderv3"]):
    from tests.protocol.fuzz_targets import TARGETS


def main() -> None:
    """Fuzz the target named first; the rest of the arguments are libFuzzer's."""
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
