"""The reference pages name everything the program has, and nothing else."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import gateway.http
from gateway.app import running
from gateway.channels import email, webhook
from gateway.channels.sms import notify as sms
from gateway.cli.application import app
from gateway.config import Config
from gateway.config.keys import KeyPlace, LogKeyPlace
from gateway.disclosure_log.entry import OPERATIONS
from gateway.instance import create
from gateway.store.trouble import PASSING
from policies.bases import _TESTS
from tests.docs.pages import ROOT, codes, first_codes, rows, section

CLI = ROOT / "docs/reference/cli.md"
HTTP = ROOT / "docs/reference/http.md"
OPERATOR = ROOT / "docs/operator.md"
DPO = ROOT / "docs/dpo.md"
CONSOLE = ROOT / "docs/console.md"
PLACES = (KeyPlace, LogKeyPlace)
DEPENDENCIES = ROOT / "docs/decisions/0007-dependencies.md"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))
    if not hasattr(command, "commands") or command.invoke_without_command:
        yield " ".join(path), command


COMMANDS = dict(commands(typer.main.get_command(app), ("throughgate",)))


def test_the_cli_reference_has_every_command_and_no_other() -> None:
    headings = re.findall(r"^## (throughgate .+)$", CLI.read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_cli_reference_has_every_option_of_a_command_and_no_other(name: str) -> None:
    stated = first_codes(section(CLI, name))
    params = [param for param in COMMANDS[name].params if not getattr(param, "hidden", False)]
    expected = [
        param.opts[0] if param.param_type_name == "option" else (param.metavar or param.name)
        for param in params
    ]
    assert sorted(stated) == sorted(expected)
    required = {cells[0].strip("`").replace("\\|", "|") for cells in _required(name)}
    assert required == {
        label for label, param in zip(expected, params, strict=True) if param.required
    }


def _required(name: str) -> list[list[str]]:
    return [cells for cells in rows(section(CLI, name)) if "required" in cells[1]]


def config_fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        inner = [
            one
            for one in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if inspect.isclass(one) and issubclass(one, BaseModel)
        ]
        if inner and inner[0] in PLACES:  # its members are those of `keys`
            yield path + name, field.default.provider if field.default else "[]"
            own = inner[0].model_fields.keys() - KeyPlace.model_fields.keys()
            yield from ((f"{path}{name}.{one}", "[]") for one in own)
        elif inner:
            yield from config_fields(inner[0], f"{path}{name}.")
        else:
            yield path + name, _default(field)


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{one:g}" for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_configuration_reference_has_every_key_with_its_default_and_no_other() -> None:
    table = rows(section(OPERATOR, "Configuration"))
    stated = {codes(cells[0])[0]: cells[1].strip("`") for cells in table}
    assert stated == dict(config_fields(Config))
    assert len(stated) == len(table)


async def test_the_http_reference_has_every_route_and_no_other(tmp_path: Path) -> None:
    config = await create(tmp_path / "instance", name="throughgate.example/docs", sections="")
    async with running(config) as application:
        served = {
            (route.method, re.sub(r"\.[0-9a-f]{16}\.", ".HASH.", route.resource.canonical))
            for route in application.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
    console = {path for _, path in served if path.startswith("/console")}
    table = rows(section(HTTP, "Routes"))
    assert {(cells[0], cells[1].strip("`")) for cells in table} == {
        (method, path) for method, path in served if path not in console
    }
    pages = {path for path in console if "/assets/" not in path and "{tail}" not in path}
    assert set(first_codes(section(CONSOLE, "The pages"))) == pages


def test_the_http_reference_has_every_problem_and_no_other() -> None:
    stated = first_codes(section(HTTP, "Problems"))
    assert sorted(stated) == sorted(set(problem_codes()))


def problem_codes() -> Iterator[str]:
    """Yield the code of every problem the routes answer with."""
    folder = Path(gateway.http.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"problem": 1, "_later": 0}.get(node.func.id)
                if place is not None:
                    yield from _texts(node.args[place])
    yield from _codes_of_a_failed_commit(ROOT / "gateway/store/group_commit.py")
    yield from PASSING


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):  # f"{answer.what}-id-reused"
        tail = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        yield from (what + tail for what in ("request", "event"))


def _codes_of_a_failed_commit(file: Path) -> Iterator[str]:
    """Yield the codes a request gets when its commit fails: the plain words in `_commit`."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == "_commit":
            words = (str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant))
            yield from (word for word in words if re.fullmatch(r"[a-z]+(-[a-z]+)*", word))


def test_the_operators_page_has_every_log_line_and_no_other() -> None:
    written = {
        node.args[0].value
        for file in (ROOT / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and getattr(node.func.value, "id", "") == "_LOG"
        and isinstance(node.args[0], ast.Constant)
    }
    assert set(first_codes(section(OPERATOR, "Log lines"))) == written | {"library:NAME"}


def test_the_dpos_page_has_every_operation_of_the_log_and_no_other() -> None:
    assert set(first_codes(section(DPO, "What the log holds"))) == OPERATIONS


def test_the_dpos_page_has_every_reason_a_decision_gives_and_no_other() -> None:
    given = {reason[0] for _, reason in _TESTS.values()}
    sources = [*(ROOT / "policies").glob("*.py"), ROOT / "gateway/decide.py"]
    for file in sources:
        given |= set(reason_codes(ast.parse(file.read_text("utf-8"))))
    assert {code for code in first_codes(section(DPO, "Refusals")) if code != "key-…"} == given


def reason_codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reason":
            for keyword in node.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "_nearly":
            for each in ast.walk(node):
                if isinstance(each, ast.Yield) and isinstance(each.value, ast.Tuple):
                    yield str(each.value.elts[1].value)  # type: ignore[attr-defined]


def test_every_outcome_reason_the_runbook_explains_is_one_a_channel_gives() -> None:
    source = "".join(
        Path(str(module.__file__)).read_text("utf-8") for module in (webhook, email, sms)
    )
    source += (ROOT / "gateway/channels/http_client.py").read_text("utf-8")
    source += (ROOT / "gateway/channels/smtp_pool.py").read_text("utf-8")
    source += (ROOT / "gateway/deliver.py").read_text("utf-8")
    source += "".join(one.read_text("utf-8") for one in (ROOT / "gateway/delivery").glob("*.py"))
    source += (ROOT / "gateway/channels/simulator.py").read_text("utf-8")
    runbook = ROOT / "docs/runbook.md"
    for code in first_codes(section(runbook, "Dead letters")):
        stem = code.removesuffix("-NNN")
        assert f'"{stem}' in source or f'f"{stem}-' in source, code


def test_every_direct_dependency_has_its_line_and_nothing_else_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    direct = {
        re.split(r"[<>=;\[ ]", one)[0]
        for one in (*project["dependencies"], *(one for extra in extras.values() for one in extra))
    }
    stated = first_codes(DEPENDENCIES.read_text("utf-8"))
    assert sorted(stated) == sorted(direct - {"throughgate"})
