"""What is wrong with a configuration, said once and completely: the variable, what is wrong, how to mend it.

Never: the value of a secret, not even a part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from traderv3.domain.errors import Reaction, TraderError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend."""

    variable: str  # or the file, where no single variable is to blame
    what: str
    how: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.what}. {self.how}"


class ConfigurationProblems(TraderError):
    """The configuration cannot be used; `problems` holds every reason, `warnings` what would have been said anyway."""

    reaction = Reaction.HALT

    def __init__(self, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> None:
        assert problems, "no problem, no error"
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} problem(s) in the configuration:\n{lines}")


@dataclass(slots=True)
class Findings:
    """Collects while everything is read; nothing is raised before all has been looked at."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, variable: str, what: str, how: str) -> None:
        self.problems.append(Problem(variable, what, how))

    def warning(self, variable: str, what: str, how: str) -> None:
        self.warnings.append(Problem(variable, what, how))

    def raise_if_any(self) -> None:
        if self.problems:
            raise ConfigurationProblems(self.problems, self.warnings)
