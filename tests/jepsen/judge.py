"""The checker: `python -m tests.jepsen.judge FOLDER`, a process that saw nothing of the run.

It reads what the run left: journals, the exported log, the log's public key. Exit code 0: clean;
1: a promise is broken; 3: the history does not suffice to say.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.jepsen.judging import judge
from tests.jepsen.reading import Recorded, read
from tests.support.checker import Broken

CODES: Final = {"clean": 0, "broken": 1, "inconclusive": 3}
_MOST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run's history says. Broken promises of a torn history may be no more than torn."""

    verdict: Literal["clean", "broken", "inconclusive"]
    broken: tuple[Broken, ...]
    recorded: Recorded

    def text(self) -> str:
        """Return it in words, with the lines each finding rests on."""
        found = self.recorded
        lines = [f"verdict: {self.verdict}   seed: {found.seed}", f"  {_counted(found)}"]
        lines += [f"  torn: {one}" for one in found.torn]
        for one in self.broken[:_MOST]:
            lines.append(f"  {one.promise} {one.code}: {one.subject}")
            lines += [f"      {where}" for where in found.naming(one.subject)]
        if len(self.broken) > _MOST:
            lines.append(f"  ... and {len(self.broken) - _MOST} more")
        return "\n".join(lines)


def verdict_of(folder: Path) -> Verdict:
    """Judge what a run left in a folder. Reads only."""
    found = read(folder)
    broken = tuple(judge(found))
    told: Literal["clean", "broken", "inconclusive"] = "broken" if broken else "clean"
    return Verdict(verdict="inconclusive" if found.torn else told, broken=broken, recorded=found)


def _counted(found: Recorded) -> str:
    accepted = len({one.first["id"] for one in found.posts if one.state == "ok"})
    unknown = sum(one.state == "unknown" for one in found.posts)
    alerts = len({one.first["alert"] for one in found.deliveries})
    faults: dict[str, int] = {}
    for one in found.faults:
        faults[one.first["name"]] = faults.get(one.first["name"], 0) + 1
    harmed = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
    return (
        f"{accepted} posts accepted, {unknown} left without an answer; {alerts} alerts delivered"
        f" {len(found.deliveries)} times; {len(found.answers)} answers; {len(found.notes)}"
        f" checkpoints fetched; faults: {harmed or 'none'}"
    )


def main(folder: Path) -> int:
    """Print the verdict; return its exit code."""
    verdict = verdict_of(folder)
    sys.stdout.write(verdict.text() + "\n")
    return CODES[verdict.verdict]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
