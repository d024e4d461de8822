"""What the tests use that is not Python: packages of tests/node, installed by `make test`."""

import os
from pathlib import Path

import pytest

_INSTALLED = Path(__file__).parents[1] / "node" / "node_modules"


def node_package(name: str) -> Path:
    """Return an installed package's folder, or why a test does not run without it."""
    folder = _INSTALLED / name
    if folder.is_dir():
        return folder
    text = f"{name} is missing: npm ci --prefix tests/node"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
