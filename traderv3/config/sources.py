"""Where a variable's value comes from: command line > `.env.<environment>` > process environment > `.env`.

The highest source that mentions a variable decides, also when it leaves it empty (empty means: the default), as
python-dotenv's override did in the original. Files are read from one directory and never searched for upward; nothing
in them is expanded.
Never: a value in a message; an unquoted private key would be one.
"""

import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from traderv3.config.environment import DEFAULT, Environment, UnknownEnvironment, parse_environment
from traderv3.config.problems import Findings

COMMON_FILE: Final = ".env"
VARIABLES: Final = (
    "ENVIRONMENT",
    "KALSHI_API_URL",
    "KALSHI_WS_URL",
    "KALSHI_API_KEY_ID",
    "KALSHI_PRIVATE_KEY_CONTENT",
    "KALSHI_PRIVATE_KEY_PATH",
    "V3_HOST",
    "V3_PORT",
    "V3_MARKETS",
    "V3_LOG_LEVEL",
    "V3_DATA_DIR",
    "V3_DATABASE_URL",
    "V3_CONNECTIONS",
    "V3_CONTROL_TOKEN",
    "V3_DEV_ORIGIN",
    "V3_STRATEGY_FILE",
    "V3_ENABLE_TRADING",
    "V3_ARM_PRODUCTION",
)
_FILE_BYTES_MAX: Final = 1_000_000  # a PEM key has 2 kB; whatever is larger is not one of our files


@dataclass(frozen=True, slots=True)
class Source:
    """One layer: its name for a person, and what it says."""

    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sources:
    """The layers in order of precedence."""

    layers: tuple[Source, ...]

    def get(self, variable: str) -> str | None:
        """The deciding value without surrounding blanks, or None where no source gives one."""
        return self.find(variable)[0]

    def find(self, variable: str) -> tuple[str | None, int]:
        """The deciding value and its rank (0 is the command line; where there is none, the number of layers)."""
        for rank, source in enumerate(self.layers):
            value = source.values.get(variable)
            if value is not None:
                return (value.strip() or None), rank
        return None, len(self.layers)


def read_env_file(path: Path, findings: Findings) -> Mapping[str, str]:
    """One env file's variables; empty if there is no such file. What cannot be read is a problem, by line number."""
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            findings.problem(path.name, f"is larger than {_FILE_BYTES_MAX} bytes", "Is it an env file at all?")
            return {}
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as cause:
        findings.problem(path.name, f"cannot be read ({cause.strerror})", "Make it a file that you may read")
        return {}
    except UnicodeDecodeError:
        findings.problem(path.name, "is not UTF-8 text", "Save it as UTF-8")
        return {}
    _check_lines(path.name, text, findings)
    found = dotenv_values(stream=io.StringIO(_without_errors(text)), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _check_lines(file: str, text: str, findings: Findings) -> None:
    how = "Write NAME=value; a value of several lines goes in double quotes"
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            findings.problem(f"{file} line {binding.original.line}", "cannot be read", how)
        elif binding.key in VARIABLES and binding.value is None:
            findings.problem(binding.key or file, f"{file} names it without '='", how)
        elif binding.key is not None:
            _check_name(file, binding.key, findings)


def _check_name(file: str, name: str, findings: Findings) -> None:
    if name in VARIABLES or not name.startswith(("V3_", "KALSHI_")):
        return
    near = difflib.get_close_matches(name, VARIABLES, n=1)
    how = f"Did you mean {near[0]}?" if near else "`.env.example` lists every variable"
    findings.warning(name[:60], f"{file} sets it, but there is no such variable", how)


def _without_errors(text: str) -> str:
    """What python-dotenv can read; it would only log the rest, without naming the file."""
    return "".join(binding.original.string for binding in parse_stream(io.StringIO(text)) if not binding.error)


def choose_environment(asked: str | None, process: Mapping[str, str], common: Mapping[str, str]) -> Environment:
    """The argument, else the variable, else the common file, else `paper`. Raises `UnknownEnvironment`."""
    for text in (asked, process.get("ENVIRONMENT"), common.get("ENVIRONMENT")):
        if text is not None and text.strip():
            return parse_environment(text)
    return DEFAULT


def open_sources(
    asked: str | None,
    overrides: Mapping[str, str],
    process: Mapping[str, str],
    directory: Path,
    findings: Findings,
) -> tuple[Environment | None, Sources]:
    """Choose the environment and read its files. None where it is unknown: then only the common file was read."""
    common = read_env_file(directory / COMMON_FILE, findings)
    layers = [Source("command line", overrides)]
    environment: Environment | None = None
    try:
        environment = choose_environment(asked, process, common)
    except UnknownEnvironment as cause:
        findings.problem("ENVIRONMENT", str(cause), "Name one of them as the first argument or in ENVIRONMENT")
    if environment is not None:
        own = read_env_file(directory / environment.env_file, findings)
        layers.append(Source(environment.env_file, own))
        _check_named_environment(environment, layers[-1], findings)
        _check_named_environment(environment, Source(COMMON_FILE, common), findings)
    layers += [Source("process environment", process), Source(COMMON_FILE, common)]
    return environment, Sources(tuple(layers))


def _check_named_environment(environment: Environment, source: Source, findings: Findings) -> None:
    named = source.values.get("ENVIRONMENT", "").strip()
    if named and named.lower() != environment:
        findings.problem(
            "ENVIRONMENT",
            f"{source.name} says {named[:40]!r}, but this run is {environment.value!r}",
            f"Remove the line from {source.name}, or start with that environment",
        )
