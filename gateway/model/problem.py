"""What a sender is told when something is refused: where and why, never the value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in what was sent: a JSON path and a reason that quotes no value from it."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Malformed(Exception):
    """Bytes that are not what they should be. Carries every fault found, in document order."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


class MalformedEvent(Malformed):
    """The request cannot become an event."""


class MalformedAlert(Malformed):
    """Not the content of an alert."""
