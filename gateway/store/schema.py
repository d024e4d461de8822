"""Which version of the schema a database has, and bringing it to this program's.

Both engines go by the same numbered steps. A step on SQLite runs while nothing else has the file;
on PostgreSQL it runs beside processes of the version before, so it only ever adds what they do not
miss, and takes away what no version in use still reads (docs/operators/scaled.md).
"""

from collections.abc import Mapping
from contextlib import closing

from gateway.store import sqlite
from gateway.store.engine import StoreUnavailable
from gateway.store.place import Place, PostgresPlace, SqlitePlace
from gateway.store.sqlite_steps import STEPS


def wanted_by(place: Place) -> str:
    """Return the version this program is made for."""
    if isinstance(place, SqlitePlace):
        return str(sqlite.SCHEMA_VERSION)
    from gateway.store.postgres.link import VERSION

    return VERSION


def version_of(place: Place) -> str:
    """Return the version of a database; "none" if it holds no instance. Reads only.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    if not place.exists():
        return "none"
    if isinstance(place, PostgresPlace):
        return str(place.ask("SELECT max(version_num) FROM alembic_version"))
    with closing(sqlite.open_reader(place.path)) as reader:
        return str(reader.pragma("user_version"))


def bring(place: Place, steps: Mapping[int, str] = STEPS) -> None:
    """Bring a database to this program's version, each step whole or not at all.

    Raises:
        StoreUnavailable: schema: no step leads there from what it is; or it cannot be reached.
    """
    if isinstance(place, PostgresPlace):
        from gateway.store import postgres

        postgres.upgrade(place.address())
        return
    with closing(sqlite.open_writer(place.path, any_version=True)) as connection:
        found = int(connection.pragma("user_version"))
        for version in range(found + 1, sqlite.SCHEMA_VERSION + 1):
            if version not in steps:
                raise StoreUnavailable("schema", f"nothing leads from schema {found} to this one")
            with connection:
                connection.execute(steps[version])
                connection.pragma("user_version", version)
        if int(connection.pragma("user_version")) != sqlite.SCHEMA_VERSION:
            raise StoreUnavailable("schema", "the database is of a newer version of this program")
