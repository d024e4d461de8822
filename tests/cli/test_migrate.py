"""Moving an embedded instance to PostgreSQL: whole, proved, and never two that go on."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from gateway.config import Config, load_config
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.instance import opened
from gateway.shards import shard_of
from gateway.store.engine import StoreUnavailable
from gateway.store.log_tree import newest_checkpoint
from gateway.store.moving import Move
from gateway.store.place import PostgresPlace, SqlitePlace, embedded_of, place_of
from keys.signing import SigningKey
from tests.gateway_in_process import gateway, planned_release, police, serving
from tests.store.stores import body as entry_body
from tests.store.stores import logging
from tests.support.command_line import Done, throughgate
from tests.support.night import by_night
from tests.support.postgres import fresh_database, shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """An instance on SQLite that has taken one event and told somebody, and a database to go to."""

    folder: Path
    config: Config
    key: SigningKey
    url: str

    async def moves(self, *more: str) -> Done:
        file = self.folder / "throughgate.toml"
        return await throughgate(
            "migrate", "sqlite-to-postgres", "--to", self.url, *more, "--config", file
        )

    @property
    def move(self) -> Move:
        return Move(old=embedded_of(self.config), new=PostgresPlace(self.url))

    def newest(self, place: SqlitePlace | PostgresPlace) -> str:
        with closing(place.open_reader()) as reader:
            found = newest_checkpoint(reader)
        assert found is not None
        return found[1]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SigningKey]:
    """An instance that has lived, to be copied: making one takes long."""
    folder = tmp_path_factory.mktemp("lived") / "instance"

    async def live() -> SigningKey:
        async with gateway(folder, recipients=[police()[0]]) as served:
            status, _ = await served.post(planned_release())
            assert status == 202
            async with asyncio.timeout(30):
                while not served.entries("disclosure"):  # noqa: ASYNC110 - the gateway decides when
                    await asyncio.sleep(0.02)
            return served.key

    return folder, asyncio.run(live())


@pytest.fixture
def embedded(tmp_path: Path, lived: tuple[Path, SigningKey]) -> Iterator[Embedded]:
    folder = tmp_path / "instance"
    shutil.copytree(lived[0], folder)
    with fresh_database(empty=True) as url:
        config = load_config(folder / "throughgate.toml")
        yield Embedded(folder=folder, config=config, key=lived[1], url=url)


async def test_an_instance_moves_with_its_log_and_goes_on_there(embedded: Embedded) -> None:
    file = embedded.folder / "throughgate.toml"
    file.write_text(f"# What we wrote ourselves.\n{file.read_text()}")
    text = file.read_text()
    before = parse_checkpoint(embedded.newest(embedded.move.old))
    done = await embedded.moves("--switch")
    assert done.code == 0, done.err
    assert "alert proofs verify" in done.out
    assert "event: 1 of 1" in done.err
    assert embedded.newest(embedded.move.new) == embedded.newest(embedded.move.old)
    config = load_config(file)
    assert isinstance(place_of(config), PostgresPlace)
    assert file.read_text().startswith(text)
    async with serving(embedded.folder, config, embedded.key) as served:
        assert (await served.post(planned_release()))[0] == 409, "its id was used, and still is"
        assert (await served.post(planned_release("evt-2")))[0] == 202
        async with asyncio.timeout(30):
            while len(served.entries("collection")) < 2:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.02)
    after = parse_checkpoint(embedded.newest(embedded.move.new))
    assert after.size > before.size
    verified = await throughgate("log", "verify", "--config", file)
    assert verified.code == 0, verified.out


@pytest.mark.faults
@by_night
async def test_work_that_moved_is_in_the_shard_of_its_person(embedded: Embedded) -> None:
    assert (await embedded.moves()).code == 0
    with closing(embedded.move.new.open_reader()) as reader:
        for table in ("event", "alert", "outbox"):
            rows = reader.execute(f"SELECT person, slot FROM {table}").fetchall()
            assert rows
            assert {shard_of(person) for person, _ in rows} == {slot for _, slot in rows}


async def test_the_old_file_takes_nothing_any_more_whoever_has_it_open(embedded: Embedded) -> None:
    held = apsw.Connection(str(embedded.move.old.path))  # a process that did not notice
    assert (await embedded.moves()).code == 0
    with pytest.raises(StoreUnavailable, match="moved"):
        embedded.move.old.open_writer()
    with pytest.raises(apsw.ConstraintError, match="moved"):
        held.execute("INSERT INTO log_entry (idx, leaf, body) VALUES (999999, x'00', x'00')")
    with pytest.raises(apsw.ConstraintError, match="moved"):
        held.execute("UPDATE log_head SET size = size + 1")
    held.close()
    refused = await throughgate(
        "log", "checkpoint", "--config", embedded.folder / "throughgate.toml"
    )
    assert refused.code == 0, "what it holds can be read"
    again = await embedded.moves()
    assert again.code == 0, "to say it again changes nothing"


async def test_nothing_moves_while_a_gateway_serves(embedded: Embedded) -> None:
    from gateway.serving import only_one

    with only_one(embedded.config):
        done = await embedded.moves()
    assert done.code == 2
    assert "already serves" in done.err
    with closing(embedded.move.old.open_writer()):
        pass


async def test_interrupted_before_its_mark_the_old_one_goes_on(embedded: Embedded) -> None:
    with embedded.move.locked() as old:
        embedded.move.copy(old, lambda *_: None)  # and then the machine stops
    with pytest.raises(StoreUnavailable, match="did not end"):
        embedded.move.new.open_writer()
    async with opened(embedded.config) as store:
        await store.commit(logging(entry_body()))
    assert embedded.newest(embedded.move.new) != embedded.newest(embedded.move.old)
    assert (await embedded.moves()).code == 0
    assert embedded.newest(embedded.move.new) == embedded.newest(embedded.move.old)
    with closing(embedded.move.new.open_writer()):
        pass


async def test_interrupted_after_its_mark_the_same_command_ends_it(embedded: Embedded) -> None:
    with embedded.move.locked() as old:
        embedded.move.copy(old, lambda *_: None)
        embedded.move.mark(old)
    for place in (embedded.move.old, embedded.move.new):
        with pytest.raises(StoreUnavailable):
            place.open_writer()
    assert (await embedded.moves()).code == 0
    with closing(embedded.move.new.open_writer()):
        pass


@pytest.mark.faults
@by_night
async def test_killed_in_its_midst_it_leaves_the_old_one_as_it_was(embedded: Embedded) -> None:
    command = [sys.executable, "-m", "gateway", "migrate", "sqlite-to-postgres"]
    process = await asyncio.create_subprocess_exec(
        *command, "--to", embedded.url, "--config", embedded.folder / "throughgate.toml",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    while b" of " not in await process.stderr.readline():
        assert process.returncode is None
    process.kill()
    await process.wait()
    with closing(embedded.move.old.open_writer()):
        pass
    done = await embedded.moves()
    assert done.code == 0, done.err


@pytest.mark.faults
@by_night
async def test_a_database_with_an_instance_of_its_own_is_left_alone(
    embedded: Embedded, tmp_path: Path
) -> None:
    made = await throughgate(
        "init", tmp_path / "other", "--name", "example/other", "--postgres", embedded.url
    )
    assert made.code == 0, made.err
    done = await embedded.moves()
    assert done.code == 2
    assert "instance of its own" in done.err
    with closing(embedded.move.old.open_writer()):
        pass


@pytest.mark.faults
@by_night
async def test_a_copy_whose_log_does_not_add_up_does_not_count(embedded: Embedded) -> None:
    """A server that changes what it is given is found before anything is marked."""
    embedded.move.new.create()
    name = embedded.url.rpartition("/")[2]
    shared().run(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.body := NEW.body || '\\x20'::bytea; RETURN NEW; END $$",
        database=name,
    )
    shared().run(
        "CREATE TRIGGER spoil BEFORE INSERT ON log_entry FOR EACH ROW WHEN (NEW.idx = 1)"
        " EXECUTE FUNCTION spoil()",
        database=name,
    )
    done = await embedded.moves()
    assert done.code == 1, done.out
    assert "does not verify" in done.err
    with closing(embedded.move.old.open_writer()):
        pass
    with pytest.raises(StoreUnavailable, match="did not end"):
        embedded.move.new.open_writer()


async def test_a_password_in_the_address_is_refused(embedded: Embedded) -> None:
    secret = "hunter2"
    url = embedded.url.replace("@", f":{secret}@")
    done = await throughgate(
        "migrate", "sqlite-to-postgres", "--to", url,
        "--config", embedded.folder / "throughgate.toml",
    )  # fmt: skip
    assert done.code == 2
    assert "password_file" in done.err
    assert secret not in done.err + done.out


@pytest.mark.faults
@by_night
async def test_an_embedded_instance_of_the_version_before_is_brought_to_this_one(
    embedded: Embedded,
) -> None:
    file = embedded.folder / "throughgate.toml"
    with closing(apsw.Connection(str(embedded.move.old.path))) as older:
        older.execute("DROP TABLE lease")
        older.pragma("user_version", 4)
    with pytest.raises(StoreUnavailable, match="another version"):
        embedded.move.old.open_writer()
    assert (await throughgate("migrate", "status", "--config", file)).code == 1
    done = await throughgate("migrate", "schema", "--config", file)
    assert done.code == 0, done.err
    assert "from schema 4 to" in done.out
    assert (await throughgate("migrate", "status", "--config", file)).code == 0
    with closing(embedded.move.old.open_writer()):
        pass


async def test_the_doctor_says_where_a_moved_store_went(embedded: Embedded) -> None:
    assert (await embedded.moves()).code == 0
    done = await throughgate("doctor", "--json", "--config", embedded.folder / "throughgate.toml")
    found = {one["check"]: one for one in done.json}
    assert found["store.place"]["verdict"] == "error"
    assert "PostgreSQL at" in found["store.place"]["text"]
