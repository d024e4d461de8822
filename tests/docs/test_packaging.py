"""The image and its composition say what they must; what runs without an engine is run."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.application import app
from gateway.demo.stage import gateway_running, set_up
from gateway.roles import Role
from gateway.serving import DRAIN_S
from tests.docs.pages import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions in order: word in capitals, rest on one line."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (line.partition(" ")[0], line.partition(" ")[2].strip()) for line in joined.splitlines()
    ]


STAGES: list[list[tuple[str, str]]] = []
for _word, _rest in instructions(DOCKERFILE):
    if _word == "FROM":
        STAGES.append([])
    STAGES[-1].append((_word, _rest))
BUILD, RUN = STAGES


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for each, rest in stage if each == word]


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    words = [word for rest in of(stage, "ENV") for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def yaml_subset(text: str) -> Any:
    """Read the part of YAML that compose.yaml keeps to: mappings, lists of scalars, scalars.

    Anything else is an error, so the file cannot quietly mean something this does not see.
    """
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    value, rest = _node(lines, 0)
    assert rest == []
    return value


def _node(lines: list[tuple[int, str]], indent: int) -> tuple[Any, list[tuple[int, str]]]:
    items: list[str] = []
    members: dict[str, Any] = {}
    while lines and lines[0][0] == indent:
        text = lines[0][1]
        lines = lines[1:]
        if text.startswith("- "):
            items.append(_scalar(text[2:]))
            continue
        match = re.fullmatch(r"([\w-]+):(?: (.+))?", text)
        assert match, text
        assert match[1] not in members, text
        if match[2] is not None:
            members[match[1]] = _scalar(match[2])
        elif lines and lines[0][0] > indent:
            members[match[1]], lines = _node(lines, lines[0][0])
        else:
            members[match[1]] = None
    assert not (items and members)
    return items or members, lines


def _scalar(text: str) -> str:
    if text.startswith('"'):
        return str(json.loads(text))
    assert not re.search(r"""^['&*!|>{\[%@`]| #|: """, text), text
    return text


SERVICES = yaml_subset(COMPOSE)["services"]


def test_the_image_is_built_in_two_stages_of_the_same_python() -> None:
    assert of(BUILD, "FROM") == ["python:3.13-slim AS build"]
    assert of(RUN, "FROM") == ["python:3.13-slim"]
    assert of(RUN, "COPY") == ["--from=build /opt/throughgate /opt/throughgate"]
    assert not [one for one in of(RUN, "RUN") if "pip" in one]


def test_nothing_is_fetched_without_a_hash() -> None:
    for step in of(BUILD, "RUN"):
        if "pip" in step and "--require-hashes" not in step:
            assert "--no-index" in step, step
            assert "--no-deps" in step, step
    fetched = [one for one in of(BUILD, "RUN") if "--require-hashes" in one]
    assert all("--only-binary :all:" in one for one in fetched)
    assert any("requirements.lock" in one for one in fetched)


def test_the_image_does_not_run_as_root_and_writes_no_bytecode() -> None:
    assert of(RUN, "USER") == ["10001:10001"]
    assert [word for word, _ in RUN].index("USER") > [word for word, _ in RUN].index("RUN")
    assert environment(RUN)["PYTHONDONTWRITEBYTECODE"] == "1"
    assert of(RUN, "VOLUME") == ["/data"]
    assert any("0700 /data" in one for one in of(RUN, "RUN"))


def test_the_image_starts_a_command_that_is_there() -> None:
    assert json.loads(of(RUN, "ENTRYPOINT")[0]) == ["throughgate"]
    command, *rest = json.loads(of(RUN, "CMD")[0])
    assert command in {
        one.name or getattr(one.callback, "__name__", "") for one in app.registered_commands
    }
    assert rest == ["--config", "/data/throughgate.toml"]


def test_what_the_wheel_is_built_from_is_copied_and_not_ignored() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    needed = packages | {
        "pyproject.toml",
        "README.md",
        "requirements.lock",
        "requirements-dev.lock",
    }
    needed |= set(project["project"]["license-files"])
    copied = {word for rest in of(BUILD, "COPY") for word in rest.split()[:-1]}
    assert copied == needed
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == needed
    assert {"**/*.db", "**/*.key", "**/*.pem"} <= set(ignored)


async def test_the_health_check_tells_a_ready_gateway_from_none(tmp_path: Path) -> None:
    check = json.loads(of(RUN, "HEALTHCHECK")[0].partition("CMD ")[2])
    assert check[0] == "python"
    default = environment(RUN)["THROUGHGATE_HEALTH_URL"]
    assert default == "http://127.0.0.1:8080/health/ready"

    def code(url: str) -> int:
        run = [sys.executable, *check[1:]]
        hostile = {"http_proxy": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
        return subprocess.run(
            run, check=False, env={"THROUGHGATE_HEALTH_URL": url, **hostile}, capture_output=True
        ).returncode

    async with set_up(tmp_path / "instance") as stage:
        url = f"{stage.url}/health/ready"
        assert code(url) != 0
        async with gateway_running(stage):
            assert code(url) == 0
            assert code(f"{stage.url}/no-such-page") != 0


def test_the_gateway_is_composed_with_nothing_it_does_not_need() -> None:
    gateway = SERVICES["gateway"]
    assert gateway["read_only"] == "true"
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["security_opt"] == ["no-new-privileges:true"]
    assert gateway["user"] == of(RUN, "USER")[0]
    assert gateway["volumes"] == ["data:/data"]
    assert gateway["tmpfs"][0].startswith("/tmp:")
    assert all(port.startswith("127.0.0.1:") for port in gateway["ports"])
    assert int(gateway["stop_grace_period"].removesuffix("s")) > DRAIN_S
    assert "privileged" not in COMPOSE.replace("no-new-privileges", "")


def test_only_the_gateway_runs_unless_the_scaled_profile_is_asked_for() -> None:
    assert {name for name, one in SERVICES.items() if "profiles" not in one} == {"gateway"}
    assert all(one.get("profiles", ["scaled"]) == ["scaled"] for one in SERVICES.values())
    assert "depends_on" not in SERVICES["gateway"]
    roles = [SERVICES[name]["command"] for name in SERVICES if "-" in name]
    assert sorted(" ".join(one.split()[:3]) for one in roles) == [
        "serve --role api", "serve --role api", "serve --role deliver", "serve --role deliver",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_may_do_no_more_than_it_has_to(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] == "true"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not {"privileged", "devices", "pid", "ipc"} & service.keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_says_how_it_is_and_holds_no_secret_itself(name: str) -> None:
    service = SERVICES[name]
    ours = service["image"] == SERVICES["gateway"]["image"]
    assert ours or "healthcheck" in service, "the image of ours brings its own"
    text = json.dumps([service.get("environment", {}), service.get("command", "")]).lower()
    assert "password" not in text.replace("password_file", "").replace("/postgres-password", "")
    for one in service.get("secrets", []):
        assert yaml_subset(COMPOSE)["secrets"][one]["file"].startswith("./")
    for one in service.get("volumes", []):
        assert one.partition(":")[0] in yaml_subset(COMPOSE)["volumes"]
    for one, asked in service.get("depends_on", {}).items():
        assert asked == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[one]


@pytest.mark.parametrize(
    "command",
    sorted(
        {one["command"] for one in SERVICES.values()
         if one["image"] == SERVICES["gateway"]["image"] and "command" in one}
    ),
)  # fmt: skip
def test_what_a_service_of_ours_starts_is_a_command_with_these_options(command: str) -> None:
    words = shlex.split(command)
    parsed = CliRunner().invoke(app, [*words, "--help"])  # which comes after every option is known
    assert parsed.exit_code == 0, parsed.output
    if "--role" in words:
        assert Role(words[words.index("--role") + 1])


def test_the_image_has_the_projects_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SERVICES["gateway"]["image"] == f"throughgate:{project['version']}"


@pytest.mark.parametrize("text", ["a: 'b'", "a: {b: c}", "a: b # c", "a: &x b", "- a\nb: c"])
def test_yaml_outside_the_subset_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        yaml_subset(text)
