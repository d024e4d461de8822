"""`adapters new`: a package to begin an adapter in, whose tests pass as it is laid out."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

import orjson
import typer

from gateway.cli.adapters import TABLE, installed
from gateway.cli.exits import OK, Trouble

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
# Text of `adapters.scaffold` -> where it goes.
_LAYOUT: Final[Mapping[str, str]] = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "adapter.py.txt": "$package/__init__.py",
    "placed.in.json.txt": "examples/placed.in.json",
    "placed.events.json.txt": "examples/placed.events.json",
    "test.py.txt": "tests/test_$name.py",
}


def new(name: str, folder: Path, *, as_json: bool) -> int:
    """Lay out a package in a folder of its own, and say what to do next."""
    if not _NAME.fullmatch(name):
        raise Trouble("NAME: lower-case letters, digits and underscores, a letter first")
    if name == TABLE or name in installed():
        raise Trouble(f"there is an adapter called {name} already")
    home = folder / name
    if home.exists():
        raise Trouble(f"{home} is there already")
    names = {"name": name, "package": f"throughgate_{name}", "dashed": name.replace("_", "-")}
    written = [_write(home, source, target, names) for source, target in _LAYOUT.items()]
    if as_json:
        typer.echo(orjson.dumps({"folder": str(home), "files": written}).decode())
    else:
        for file in written:
            typer.echo(str(home / file))
        typer.echo(f"Next: cd {home} && pip install -e '.[dev]' && pytest; then read README.md")
    return OK


def _write(home: Path, source: str, target: str, names: Mapping[str, str]) -> str:
    text = resources.files("adapters.scaffold").joinpath(source).read_text("utf-8")
    place = Template(target).substitute(names)
    file = home / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(Template(text).substitute(names), "utf-8")
    return place
