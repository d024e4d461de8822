"""Copies of an instance's database: whole, and found out when they are behind."""

import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.config import Config, load_config
from gateway.instance import create, opened
from gateway.store import epoch
from gateway.store.engine import StoreUnavailable
from gateway.store.place import SqlitePlace, place_of
from tests.store.stores import body, logging
from tests.support.command_line import throughgate
from tests.support.postgres import _programs, fresh_database, shared


async def goes_on(config: Config) -> None:
    async with opened(config) as store:
        await store.commit(logging(body()))


async def is_held_back(config: Config) -> bool:
    """Say whether an instance notices that its log is behind, and logs nothing more."""
    async with opened(config) as store:
        with pytest.raises(StoreUnavailable, match="restored"):
            await store.commit(logging(body()))
        return epoch.behind_of(store.reader) is not None


async def test_a_copy_of_sqlite_is_whole_and_a_restored_one_is_found_out(tmp_path: Path) -> None:
    config = await create(tmp_path / "i", name="example/backup", sections="")
    out = tmp_path / "copy.db"
    async with opened(config) as store:  # beside one that has it open
        await store.commit(logging(body()))
        done = await throughgate("backup", "--out", out, "--config", config.file)
        assert done.code == 0, done.err
        assert "2 entries" in done.out
        assert out.stat().st_mode & 0o077 == 0
        await store.commit(logging(body()))
    again = await throughgate("backup", "--out", out, "--config", config.file)
    assert again.code == 2
    place = place_of(config)
    assert isinstance(place, SqlitePlace)
    for one in place.path.parent.glob("throughgate.db*"):
        one.unlink()
    shutil.copy(out, place.path)
    assert await is_held_back(config)


async def test_a_dump_of_postgresql_is_whole_and_a_restored_one_is_found_out(
    tmp_path: Path,
) -> None:
    with fresh_database(empty=True) as url:
        made = await throughgate(
            "init", tmp_path / "i", "--name", "example/dump", "--postgres", url
        )
        assert made.code == 0, made.err
        config = load_config(tmp_path / "i" / "throughgate.toml")
        refused = await throughgate("backup", "--out", tmp_path / "x", "--config", config.file)
        assert "pg_dump --format=custom" in refused.err
        await goes_on(config)
        dump = tmp_path / "instance.dump"
        _pg("pg_dump", "--format=custom", f"--file={dump}", url)
        await goes_on(config)
        shared().drop(url)
        shared().run(f'CREATE DATABASE "{urlsplit(url).path[1:]}" TEMPLATE template0')
        _pg("pg_restore", "--single-transaction", "--no-owner", f"--dbname={url}", dump)
        with closing(place_of(config).open_reader()) as reader:
            assert reader.execute("SELECT size FROM log_head").get == 2
        assert await is_held_back(config)


def _pg(program: str, *words: object) -> None:
    subprocess.run([str(_programs() / program), *map(str, words)], check=True)
