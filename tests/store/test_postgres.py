"""What only the connection to PostgreSQL does: opening, waiting, losing, sending together."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.store import postgres, sqlite
from gateway.store.engine import DatabaseTrouble, RuleBroken, StoreUnavailable
from gateway.store.postgres import PostgresConnection, PostgresWriter
from gateway.store.postgres.link import Link
from gateway.store.postgres.writing import LOG_HEAD
from tests.support.postgres import fresh_database, own_server, shared

PUT = "INSERT INTO setting (name, value) VALUES (?, ?)"
READ = "SELECT value FROM setting WHERE name = ?"


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as found:
        yield found


@pytest.fixture
def writer(url: str) -> Iterator[PostgresWriter]:
    made = postgres.open_writer(url)
    yield made
    made.close()


@pytest.fixture
def reader(url: str) -> Iterator[PostgresConnection]:
    made = postgres.open_reader(url)
    yield made
    made.close()


def end_backends(url: str) -> None:
    """End every other connection to a database, as an administrator may."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


# Values and rows


def test_values_come_back_as_sqlite_gives_them(reader: PostgresConnection) -> None:
    row = reader.execute(
        "SELECT CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BYTEA), CAST(? AS BIGINT), 1 = 1,"
        " sum(x), avg(x) FROM (SELECT 1 AS x UNION ALL SELECT 2) AS numbers",
        (1 << 62, "é\N{SNOWMAN}", b"\0\xff", None),
    ).get
    assert row == (1 << 62, "é\N{SNOWMAN}", b"\0\xff", None, 1, 3, 1.5)
    assert [type(value) for value in row] == [int, str, bytes, type(None), int, int, float]


def test_rows_are_had_as_from_apsw(writer: PostgresWriter) -> None:
    assert writer.execute("SELECT 1 WHERE 1 = 2").get is None
    assert writer.execute("SELECT 1").get == 1
    assert writer.execute("SELECT 1, 2").get == (1, 2)
    assert writer.execute("SELECT 1 UNION ALL SELECT 2").get == [1, 2]
    rows = writer.execute("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
    assert (rows.fetchone(), next(iter(rows)), rows.fetchall()) == ((1,), (2,), [(3,)])
    assert (rows.fetchone(), rows.fetchall()) == (None, [])


def test_changes_are_counted_as_sqlite_counts_them(writer: PostgresWriter) -> None:
    with writer:
        writer.executemany(PUT, [("a", "1"), ("b", "2")])
        writer.execute(PUT + " ON CONFLICT DO NOTHING", ("a", "3"))
        assert (writer.changes(), writer.total_changes()) == (0, 2)
        writer.execute("UPDATE setting SET value = '4'")
        writer.execute(READ, ("a",))
        assert (writer.changes(), writer.total_changes()) == (2, 4)


def test_a_text_with_a_zero_is_refused_and_not_cut_short(writer: PostgresWriter) -> None:
    with pytest.raises(RuleBroken):
        writer.execute(PUT, ("a", "b\0c"))
    assert writer.execute("SELECT count(*) FROM setting").get == 0


# Transactions


def test_unread_statements_cost_no_round_trip(writer: PostgresWriter) -> None:
    wire = writer._wire
    assert wire is not None
    with writer:
        assert writer.execute(READ, ("a",)).get is None
        before = wire.round_trips
        for number in range(50):
            writer.execute(PUT, (f"name-{number}", ""))
        assert wire.round_trips == before
        assert writer.execute("SELECT count(*) FROM setting").get == 50
        assert wire.round_trips == before + 1


def test_what_an_unread_statement_met_undoes_the_whole(
    writer: PostgresWriter, reader: PostgresConnection
) -> None:
    with pytest.raises(RuleBroken), writer:  # noqa: PT012 - met later than made
        writer.execute(PUT, ("a", "1"))
        writer.execute(PUT, ("a", "2"))
        writer.execute(PUT, ("b", "3"))
    assert not writer.in_transaction
    assert reader.execute("SELECT count(*) FROM setting").get == 0
    with writer:
        writer.execute(PUT, ("a", "4"))
    assert reader.execute(READ, ("a",)).get == "4"


def test_a_part_of_a_transaction_is_undone_alone(writer: PostgresWriter) -> None:
    with writer:
        writer.execute(PUT, ("a", "1"))
        with pytest.raises(RuleBroken), writer:  # noqa: PT012 - met later than made
            writer.execute(PUT, ("b", "2"))
            writer.execute(PUT, ("a", "3"))
        with pytest.raises(ZeroDivisionError), writer:  # noqa: PT012 - met later than made
            writer.execute(PUT, ("c", "4"))
            raise ZeroDivisionError
        with writer:
            writer.execute(PUT, ("d", "5"))
    assert writer.execute("SELECT name FROM setting ORDER BY name").get == ["a", "d"]


def test_what_is_read_together_is_of_one_moment(
    writer: PostgresWriter, reader: PostgresConnection
) -> None:
    with reader:
        assert reader.execute("SELECT count(*) FROM setting").get == 0
        writer.execute(PUT, ("a", "1"))
        assert reader.execute("SELECT count(*) FROM setting").get == 0
    assert reader.execute("SELECT count(*) FROM setting").get == 1
    with pytest.raises(DatabaseTrouble), reader:
        reader.execute(PUT, ("b", "2"))


def test_writers_take_turns_and_wait_no_longer_than_they_may(url: str) -> None:
    one, two = postgres.open_writer(url), postgres.open_writer(url)
    with psycopg.connect(url, autocommit=True) as other:
        with one:
            one.execute(PUT, ("a", "1"))
            assert one.execute(READ, ("a",)).get == "1"
            held = other.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOG_HEAD,)).fetchone()
            assert held == (False,)
            two.execute("SELECT set_config('lock_timeout', '50', false)")
            with pytest.raises(DatabaseTrouble) as caught, two:
                two.execute(PUT, ("b", "2"))
            assert caught.value.code == "busy"
        with two:
            two.execute(PUT, ("b", "2"))
        assert one.execute("SELECT count(*) FROM setting").get == 2
    one.close()
    two.close()


def test_a_whole_table_is_read_a_part_at_a_time(
    writer: PostgresWriter, reader: PostgresConnection
) -> None:
    names = [f"{number:05}" for number in range(4500)]
    writer.executemany(PUT, [(name, "") for name in names])
    wire = reader._wire
    assert wire is not None
    before = wire.statements
    rows = iter(reader.execute("SELECT name FROM setting ORDER BY name"))
    assert next(rows) == ("00000",)
    assert wire.statements == before + 2, "it was declared, and the first part was fetched"
    assert reader.execute(READ, ("00001",)).get == "", "others may be asked meanwhile"
    writer.execute("DELETE FROM setting WHERE name > '00002'")
    assert [name for (name,) in rows] == names[1:], "of the moment it was begun"
    with reader:
        assert reader.execute("SELECT name FROM setting ORDER BY name").get == names[:3]


# Losing the connection


def test_a_reader_that_lost_its_connection_asks_once_more(
    url: str, reader: PostgresConnection
) -> None:
    end_backends(url)
    assert reader.execute("SELECT 1").get == 1


def test_a_writer_that_lost_its_connection_undoes_and_goes_on(
    url: str, writer: PostgresWriter
) -> None:
    with pytest.raises(DatabaseTrouble) as caught, writer:  # noqa: PT012 - met later than made
        writer.execute(PUT, ("a", "1"))
        assert writer.execute(READ, ("a",)).get == "1"
        end_backends(url)
        writer.execute(READ, ("a",)).fetchall()
    assert caught.value.code == "unavailable"
    assert not writer.in_transaction
    with writer:
        writer.execute(PUT, ("a", "2"))
    assert writer.execute(READ, ("a",)).get == "2"


def test_a_server_that_says_nothing_is_given_up_after_a_while() -> None:
    with own_server() as server:
        reader = PostgresConnection(Link(server.url()), patience_s=0.2)
        server.pause()
        try:
            with pytest.raises(DatabaseTrouble) as caught, reader:
                reader.execute("SELECT 1").fetchall()
        finally:
            server.go_on()
        assert caught.value.code == "unavailable"
        assert reader.execute("SELECT 1").get == 1
        reader.close()


# Opening


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("postgresql://user@db.example.org/x", "tls"),
        ("postgresql://user@db.example.org/x?sslmode=require", "tls"),
        ("postgresql://user@127.0.0.1,db.example.org/x?sslmode=verify-ca", "tls"),
        ("postgresql://user@localhost/x?options=-cfsync%3Doff", "address"),
        ("postgresql://user@localhost/x?nonsense=1", "address"),
        ("postgresql://user@127.0.0.1:1/x", "unavailable"),
    ],
)
def test_a_way_that_is_not_safe_or_not_there_is_refused(address: str, code: str) -> None:
    for open_ in (postgres.open_writer, postgres.open_reader):
        with pytest.raises(StoreUnavailable) as caught:
            open_(address)
        assert caught.value.code == code
        assert "example" not in str(caught.value)


def test_a_database_without_an_instance_or_with_one_is_said_to_be_that(url: str) -> None:
    with fresh_database(empty=True) as empty, pytest.raises(StoreUnavailable) as caught:
        postgres.open_writer(empty)
    assert caught.value.code == "cannot-open"
    with pytest.raises(StoreUnavailable) as caught:
        postgres.create(url)
    assert caught.value.code == "exists"


@pytest.mark.parametrize(
    ("statement", "opens"),
    [
        ("UPDATE alembic_version SET version_num = '0000'", False),
        ("UPDATE alembic_version SET version_num = '9999'", True),
        ("INSERT INTO setting VALUES ('schema_floor', '9999')", False),
        ("INSERT INTO setting VALUES ('schema_floor', '0001')", True),
    ],
)
def test_a_schema_is_served_by_programs_down_to_its_floor(
    url: str, statement: str, opens: bool
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
    if opens:
        postgres.open_writer(url).close()
        return
    with pytest.raises(StoreUnavailable) as caught:
        postgres.open_writer(url)
    assert caught.value.code == "schema"


def test_a_server_that_may_lose_what_it_committed_is_refused(url: str) -> None:
    name = url.rpartition("/")[2]
    shared().run(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with pytest.raises(StoreUnavailable, match="synchronous_commit") as caught:
        postgres.open_writer(url)
    assert caught.value.code == "unsafe-settings"
    shared().run(f'ALTER DATABASE "{name}" RESET synchronous_commit')
    shared().run(f"ALTER DATABASE \"{name}\" SET throughgate.disposable = 'off'")
    with pytest.raises(StoreUnavailable, match="fsync, full_page_writes") as caught:
        postgres.open_writer(url)
    assert caught.value.code == "unsafe-settings"


# The two schemas


def test_both_engines_have_the_same_tables_and_columns(tmp_path: Path, url: str) -> None:
    sqlite.create(tmp_path / "t.db")
    file, server = sqlite.open_reader(tmp_path / "t.db"), postgres.open_reader(url)
    ours = file.execute(
        'SELECT m.name, c.name, c."notnull" OR c.pk > 0, c.pk > 0 FROM sqlite_master AS m,'
        " pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    ).fetchall()
    theirs = server.execute(
        "SELECT c.table_name, c.column_name, CASE c.is_nullable WHEN 'NO' THEN 1 ELSE 0 END,"
        " CASE WHEN EXISTS (SELECT 1 FROM information_schema.key_column_usage AS k"
        "   JOIN information_schema.table_constraints AS t USING (constraint_name, table_name)"
        "   WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_name = c.table_name"
        "   AND k.column_name = c.column_name) THEN 1 ELSE 0 END"
        " FROM information_schema.columns AS c WHERE c.table_schema = 'public'"
        " AND c.table_name NOT IN ('writer', 'alembic_version')"
    ).fetchall()
    assert set(ours) == set(theirs)
    indexes = file.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).get
    there = server.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'").get
    assert set(indexes) <= set(there)
    file.close()
    server.close()


async def test_a_thread_may_use_a_connection_that_another_made(writer: PostgresWriter) -> None:
    await asyncio.to_thread(writer.execute, PUT, ("a", "1"))
    assert writer.execute(READ, ("a",)).get == "1"
