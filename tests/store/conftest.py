"""The two engines a test of the store's contract runs on: a file, and a PostgreSQL database.

What asks for `path` gets a place of either; what asks for `file`, a path for a file of SQLite's.
By day PostgreSQL has the tests of what differs most between the two; every night it has them all.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.store.place import Place, PostgresPlace
from tests.support.examples import WHOLE
from tests.support.postgres import shared

_BY_DAY: Final = frozenset({
    "test_group_commit",
    "test_outbox",
    "test_people_recognised",
    "test_restore",
    "test_retention",
    "test_steps",
    "test_two_stores",
})  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is about the store's contract on both engines."""
    if "engine" in metafunc.fixturenames:
        both = WHOLE or metafunc.module.__name__.rpartition(".")[2] in _BY_DAY
        metafunc.parametrize("engine", ["sqlite", "postgres"] if both else ["sqlite"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a database file may be made."""
    return tmp_path / "throughgate.db"


@pytest.fixture
def path(engine: str, file: Path) -> Iterator[Place | Path]:
    """Return where a store may be opened, with an empty database or none yet."""
    if engine == "sqlite":
        yield file
        return
    server = shared()
    url = server.lend()
    try:
        yield PostgresPlace(url)
    finally:
        server.take_back(url)
