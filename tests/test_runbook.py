"""The runbook has a row for whatever can alarm a person at night, found in the code: an alarm without one fails here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from traderv3.console.lints import RULES
from traderv3.domain.risk_limits import SCOPES
from traderv3.trading.risk import CHECKS, MEASURES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("|")]
SAYS = re.compile(r"([a-z_]+_)?troubles?|sentence|find_causes|_actors_down")  # functions and attributes that alarm
LOGS = re.compile(r"_on_|_note_")


def pieces(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """What each string in it says for certain: the parts between the values, and between the brackets and colons."""
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr):
            said = "\0".join(str(each.value) if isinstance(each, ast.Constant) else "" for each in part.values)
        else:
            said = part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else ""
        found = (piece.strip(" ,.") for piece in re.split(r"[\0():;]", said))
        if worded := tuple(piece for piece in found if len(piece.split()) >= 3):
            yield worded


def alarms() -> Iterator[tuple[str, ...]]:
    for path in sorted((ROOT / "traderv3").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) if SAYS.fullmatch(name) and not LOGS.match(name):
                    for statement in node.body[1 if ast.get_docstring(node) else 0 :]:
                        yield from pieces(statement)
                case ast.Assign(targets=[ast.Attribute(attr=name)]) if SAYS.fullmatch(name):
                    yield from pieces(node.value)
                case ast.Call(func=ast.Name(id="StopLock"), args=[rule, *_]):
                    yield tuple(re.findall(r"[A-Z_]{4,}", ast.unparse(rule)))
                case ast.Attribute(value=ast.Name(id="Status"), attr=name) if path.name == "health.py":
                    yield (f"`{name.lower()}: ",)


ALARMS = sorted({*alarms(), *((rule.name, rule.what) for rule in RULES)})


@pytest.mark.parametrize("alarm", ALARMS, ids=" … ".join)
def test_each_alarm_has_a_row_that_quotes_it(alarm: tuple[str, ...]) -> None:
    assert any(all(piece in row for piece in alarm) for row in ROWS), f"docs/runbook.md has no row for {alarm}"


@pytest.mark.parametrize("rule", [*(rule for rule, _ in CHECKS), *(measure.upper() for measure in MEASURES)])
def test_each_rule_of_risk_has_a_row(rule: str) -> None:
    assert any(rule in row for row in ROWS)


def test_the_row_of_the_scopes_names_them_all_and_enough_alarms_are_found() -> None:
    assert f"RISK_MAX_{{{','.join(scope.upper() for scope in SCOPES)}}}_" in TEXT
    assert len(ALARMS) > 40
