"""What the structure promises, read off the source itself."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "adapters", "policies", "keys")

# One catalogue, which would read worse in two.
LONG_FILES = {"gateway/model/groups.py"}


def sources() -> Iterator[tuple[str, ast.Module, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text("utf-8")
            yield str(path.relative_to(ROOT)), ast.parse(text), text


SOURCES = list(sources())


def calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_only_disclose_makes_a_disclosure() -> None:
    makers = {name for name, tree, _ in SOURCES if "Disclosure" in calls(tree)}
    assert makers == {"gateway/disclose.py"}


def test_only_policies_make_permits() -> None:
    makers = {name for name, tree, _ in SOURCES if "Permit" in calls(tree)}
    assert makers
    assert all(name.startswith("policies/") for name in makers)


def test_the_clock_is_read_in_one_place() -> None:
    naked = {"datetime.now", "datetime.utcnow", "dt.datetime.now", "time.time"}
    readers = {name for name, tree, _ in SOURCES if naked & set(calls(tree))}
    # verify_signature is in the recipient kit, which goes without the clock's dependencies.
    commands = {f"gateway/cli/{name}.py" for name in ("post", "verify_signature")}
    assert readers <= {"gateway/clock.py"} | commands | {
        name for name, _, _ in SOURCES if name.startswith("gateway/demo/")
    }


def test_only_the_writer_signs_checkpoints() -> None:
    signers = {name for name, tree, _ in SOURCES if "sign_checkpoint" in calls(tree)}
    assert signers == {"gateway/store/group_commit.py"}


def test_nothing_is_printed_but_by_the_command_line_and_the_demonstration() -> None:
    printers = {name for name, tree, _ in SOURCES if {"print", "typer.echo"} & set(calls(tree))}
    assert all(name.startswith(("gateway/cli/", "gateway/demo/")) for name in printers)


def test_no_key_material_is_in_the_source() -> None:
    keys = re.compile(r"(whsk_|whsec_|thsk_|thkek_)[A-Za-z0-9+/=_\-]{24}|BEGIN [A-Z ]*PRIVATE KEY")
    for name, tree, _ in SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found = keys.search(node.value)
                assert found is None or "(" in node.value, f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", [name for name, _, _ in SOURCES])
def test_no_file_is_too_long_to_hold_in_the_head(name: str) -> None:
    lines = next(text for other, _, text in SOURCES if other == name).count("\n")
    assert lines <= 350 or name in LONG_FILES, f"{name}: {lines} lines"


def test_functions_are_short() -> None:
    lengths = {}
    for name, tree, _ in SOURCES:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lengths[f"{name}:{node.name}"] = node.end_lineno - node.lineno + 1
    assert statistics.median(lengths.values()) <= 14
    assert sorted((n, w) for w, n in lengths.items() if n > 75) == []


def test_words_the_vocabulary_leaves_out_name_no_file_class_or_function() -> None:
    banned = ("manager", "helper", "util", "process_")
    for name, tree, _ in SOURCES:
        assert not any(word in Path(name).stem for word in banned), name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                lowered = node.name.lower()
                assert not any(word in lowered for word in banned), f"{name}: {node.name}"
