"""What one run is: everything random in it follows from its seed."""

import dataclasses
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["embedded", "scaled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One recipient: where it listens, and what it opens with."""

    id: str
    port: int
    private: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run, as every process of it reads it from `plan.json`."""

    seed: int
    form: Form
    workers: int
    seconds: float  # of faults
    planted: str | None
    urls: tuple[str, ...]  # of the gateway
    readers: tuple[Reader, ...]
    receivers: int = 2
    slow: float = 0.25  # share of the alerts that a receiver takes its time over
    only: tuple[str, ...] = ()  # names of faults; none: all that the form has

    def rng(self, whose: str) -> random.Random:
        """Return a generator of its own for each part of a run."""
        return random.Random(f"{self.seed}/{whose}")

    def write(self, folder: Path) -> None:
        """Write `plan.json`."""
        (folder / "plan.json").write_text(json.dumps(dataclasses.asdict(self)), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """Read `plan.json`."""
        members = json.loads((folder / "plan.json").read_text("utf-8"))
        readers = tuple(Reader(**one) for one in members.pop("readers"))
        urls, only = tuple(members.pop("urls")), tuple(members.pop("only"))
        return cls(readers=readers, urls=urls, only=only, **members)
