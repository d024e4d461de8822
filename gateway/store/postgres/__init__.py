"""The store on PostgreSQL: the same tables, the same statements, the same units of work.

Any number of processes on any number of machines write to one database. Each transaction of a
writer holds the log's lock from its beginning to its end, so there is one log with one head and
units see each other's whole effects, as with SQLite. PgBouncer may stand between in session mode
only: statements are prepared.

The schema is brought on by numbered steps (`migrations/versions`) while the program runs:

1. Expand. New tables, columns that may be NULL or have a constant default, indexes made
   CONCURRENTLY (in an `autocommit_block`), constraints NOT VALID and validated after. The program
   in use goes on as before: it names its columns. A step waits three seconds for a lock at most.
2. Migrate. The new program writes both forms; a step or a job copies what is old, in small
   transactions.
3. Contract. Once no process of the older program runs, the old form is dropped, and the setting
   `schema_floor` says which version is the oldest that may still open the database.

A program opens a database of its own version or a newer one down to whose floor it reaches.
"""

from gateway.store.engine import StoreUnavailable
from gateway.store.postgres.connection import PostgresConnection
from gateway.store.postgres.link import VERSION, Link
from gateway.store.postgres.writing import PostgresWriter

__all__ = [
    "VERSION",
    "PostgresConnection",
    "PostgresWriter",
    "create",
    "open_reader",
    "open_writer",
    "upgrade",
]

_WRITERS_KEPT_MS = 90 * 86_400_000


def create(address: str) -> None:
    """Make the tables of the current schema in an empty database.

    Args:
        address: What libpq connects by: a URL or pairs, the password within.

    Raises:
        StoreUnavailable: exists, tls, unsafe-settings, unavailable, ...
    """
    link = Link(address)
    link.refuse_unless_private()
    link.refuse_unless_durable()
    try:
        link.refuse_unless_of_this_version()
    except StoreUnavailable as error:
        if error.code != "cannot-open":
            raise
    else:
        raise StoreUnavailable("exists", "the database holds an instance; it is left as it is")
    upgrade(address)


def upgrade(address: str) -> None:
    """Run the steps that the database has not had yet.

    Raises:
        StoreUnavailable: as `gateway.store.postgres.versions.upgrade`.
    """
    from gateway.store.postgres import versions

    versions.upgrade(address)


def open_writer(address: str) -> PostgresWriter:
    """Open for writing with full durability: what is committed survives a crash of the server.

    Raises:
        StoreUnavailable: unavailable, cannot-open, schema, unsafe-settings, tls, ...
    """
    link = Link(address)
    link.refuse_unless_private()
    link.refuse_unless_durable()
    link.refuse_unless_of_this_version()
    connection = PostgresWriter(link)
    connection.execute(
        "DELETE FROM writer"
        " WHERE written_at < CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) - ?",
        (_WRITERS_KEPT_MS,),
    )
    return connection


def open_reader(address: str) -> PostgresConnection:
    """Open for reading; sees every committed transaction, blocks no writer.

    Raises:
        StoreUnavailable: unavailable, cannot-open, tls.
    """
    link = Link(address)
    link.refuse_unless_private()
    return PostgresConnection(link)
