"""The promise table names every promise, and every test it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT, codes, rows, section

README = ROOT / "README.md"
PROMISES = [f"P{number}" for number in range(1, 21)]


@cache
def named_in(file: Path) -> frozenset[str]:
    """Return the names of a file's tests: functions, and Class::method."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.update(
                f"{node.name}::{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            )
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def test_every_test_the_table_names_is_there() -> None:
    named = [
        code
        for title in ("Promises", "What the law asks")
        for cells in rows(section(README, title))
        for code in codes(cells[-1])
        if "::" in code
    ]
    assert len(named) >= 30
    for node in named:
        file, _, test = node.partition("::")
        assert test in named_in(ROOT / file), node


def test_every_promise_is_proven_or_said_not_to_be() -> None:
    text = section(README, "Promises")
    table = {cells[0]: codes(cells[-1]) for cells in rows(text)}
    unproven = set(re.findall(r"^- \*\*(P\d+)\*\*", text, re.MULTILINE))
    assert [name for name, tests in table.items() if not tests] == []
    assert set(table) | unproven == set(PROMISES)
    assert set(table) & unproven == set()
