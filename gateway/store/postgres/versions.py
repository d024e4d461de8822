"""Bringing a database to the version of this program, step by step, beside those who use it."""

from importlib.resources import as_file, files
from typing import Any, Final

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config

from gateway.store.engine import StoreUnavailable
from gateway.store.postgres.link import PATIENCE_S, Link

# A step that waits for a lock holds up everyone who comes after it: it gives way soon, and is run
# again.
LOCK_WITHIN: Final = "3s"


def upgrade(address: str, version: str = "head") -> None:
    """Run the steps that a database has not had yet, each in a transaction of its own.

    Raises:
        StoreUnavailable: unavailable, tls, ...; busy: a step met a lock for too long; run it again.
    """
    link = Link(address)
    link.refuse_unless_private()

    def connected() -> "psycopg.Connection[Any]":
        base = link.connect(name="throughgate migrate", writes=False, patience_s=PATIENCE_S)
        base.execute("SELECT set_config('lock_timeout', %s, false)", (LOCK_WITHIN,))
        base.execute("SELECT set_config('statement_timeout', '0', false)")
        base.autocommit = False
        return base

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=connected, poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with as_file(files("gateway.store.postgres") / "migrations") as scripts:
            config = Config()
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, version)
                connection.commit()
    except sqlalchemy.exc.OperationalError as error:
        raise StoreUnavailable("busy", "a step of the schema met a lock; run it again") from error
    finally:
        engine.dispose()
