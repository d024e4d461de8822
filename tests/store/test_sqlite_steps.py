"""A database of each released version is brought to the schema that a new one has."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.store import schema, sqlite
from gateway.store.engine import StoreUnavailable
from gateway.store.place import SqlitePlace
from gateway.store.sqlite_steps import STEPS


def columns(path: Path) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path))
    found = connection.execute(
        "SELECT m.name, c.* FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' ORDER BY 1, 2"
    ).fetchall()
    connection.close()
    return list(found)


def test_a_database_of_version_4_becomes_like_a_new_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    for path in (old, new):
        sqlite.create(path)
    connection = apsw.Connection(str(old))
    connection.execute("DROP TABLE lease; PRAGMA user_version = 4")
    connection.close()
    with pytest.raises(StoreUnavailable) as caught:
        sqlite.open_writer(old)
    assert caught.value.code == "schema"
    for _ in range(2):  # the second time there is nothing left to do
        schema.bring(SqlitePlace(old))
        assert columns(old) == columns(new)
    sqlite.open_writer(old).close()


def test_there_is_a_step_to_every_version_after_the_first_that_was_released() -> None:
    assert list(STEPS) == list(range(5, sqlite.SCHEMA_VERSION + 1))
