"""Whatever decides, records, escalates, chases or carries out is committed as long as it is owned.

Read off the source: in the files that work on shards nothing is committed but through
`Store.commit_owned`, or fenced by hand; what is exempt is named here, and why.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "gateway"
WORK = [
    *(
        ROOT / f"{name}.py"
        for name in ("pipeline", "deliver", "escalate", "consequences", "reseal")
    ),
    *sorted((ROOT / "delivery").glob("*.py")),
    *sorted((ROOT / "duties").glob("*.py")),
]
EXEMPT = {
    # Leaves a trace of what was refused at the door: it is about no shard.
    ("pipeline.py", "_call_a_human"),
}


def unfenced(name: str, source: str) -> Iterator[str]:
    """Yield where something is committed without asking who owns it."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (name, function.name) in EXEMPT:
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _commits(call.func) and not _fenced(call):
                yield f"{name}:{function.name}"


def _commits(callee: ast.expr) -> bool:
    # `self._commit` of these classes is their own way to `commit_owned`, looked at by itself.
    return isinstance(callee, ast.Attribute) and callee.attr == "commit"


def _fenced(call: ast.Call) -> bool:
    (unit,) = call.args
    return isinstance(unit, ast.Call) and ast.unparse(unit.func) == "fenced"


@pytest.mark.parametrize("path", WORK, ids=lambda path: path.name)
def test_nothing_about_a_shard_is_committed_without_the_fence(path: Path) -> None:
    assert list(unfenced(path.name, path.read_text("utf-8"))) == []


def test_the_files_that_commit_are_among_those_looked_at() -> None:
    owning = [path.name for path in WORK if "commit_owned(" in path.read_text("utf-8")]
    assert {"pipeline.py", "escalate.py", "chase.py", "reseal.py"} <= set(owning)
    assert "fenced(" in (ROOT / "deliver.py").read_text("utf-8")


def test_a_planted_commit_without_the_fence_is_found() -> None:
    planted = """
class Deliverer:
    async def _store(self, each):
        await self._with.commit(record(each))
"""
    assert list(unfenced("deliver.py", planted)) == ["deliver.py:_store"]
