"""Every SQL statement of the program, as it is given to a connection: found in its source.

The first argument of each `.execute(...)` and `.executemany(...)` is evaluated in its module; what
it needs besides is in `LOCALS`. One that cannot be is an error: a statement nobody has looked at.
"""

import ast
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import gateway

_ROOT: Final = Path(gateway.__file__).parent
_CALLS: Final = frozenset({"execute", "executemany", "_rows"})
_CONTROL: Final = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "VACUUM")
# Not the store's: a witness's own state, files of logs, PostgreSQL's own way in.
_OTHERS: Final = (
    "witness/",
    "store/postgres/",
    "store/sqlite",
    "store/place.py",
    "store/schema.py",
    "store/moving.py",
    "disclosure_log/",
    "rehearsal/vector_revisions.py",
)


@dataclass(frozen=True, slots=True)
class Found:
    """One statement, and where it is."""

    where: str
    text: str


def found(local: Mapping[str, Mapping[str, Any]]) -> Iterator[Found]:
    """Yield every statement.

    Args:
        local: For each module (as ``store/owed.py``) the values of names its statements are built
            with; a value that is a list stands for several.
    """
    for path in sorted(_ROOT.rglob("*.py")):
        name = path.relative_to(_ROOT).as_posix()
        if name.startswith(_OTHERS):
            continue
        calls = [
            (node.lineno, node.args[0])
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _CALLS
            and node.args
        ]
        if calls:
            module = importlib.import_module(f"gateway.{name[:-3].replace('/', '.')}")
            for line, argument in calls:
                for text in _texts(module, argument, local.get(name, {})):
                    if not text.startswith(_CONTROL):
                        yield Found(f"{name}:{line}", text)


def _texts(module: ModuleType, argument: ast.expr, local: Mapping[str, Any]) -> list[str]:
    several = [name for name, value in local.items() if isinstance(value, list)]
    used = {node.id for node in ast.walk(argument) if isinstance(node, ast.Name)}
    choices: list[dict[str, Any]] = [dict(local)]
    for name in several:
        if name in used:
            choices = [one | {name: value} for one in choices for value in local[name]]
    code = compile(ast.Expression(argument), module.__file__ or "", "eval")
    return [eval(code, module.__dict__ | one) for one in choices]
