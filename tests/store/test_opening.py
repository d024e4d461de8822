"""Opening the database: what is missing, foreign, old or damaged is refused, in words (F6, F40)."""

from pathlib import Path

import pytest

from gateway.store import sqlite
from gateway.store.sqlite import StoreUnavailable
from tests.store.stores import accepted, one_release, opened
from tests.support.events import noms

PAGE = 4096


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A closed database with a hundred events in it."""
    made = tmp_path / "throughgate.db"
    async with opened(made) as store:
        for number in range(100):
            await accepted(store, one_release(number))
    return made


async def code_of_refusal(path: Path) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        async with opened(path):
            pass
    return caught.value.code


async def test_a_missing_database_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    for open_ in (sqlite.open_writer, sqlite.open_reader):
        with pytest.raises(StoreUnavailable) as caught:
            open_(path)
        assert caught.value.code == "cannot-open"
    assert not path.exists()


async def test_a_database_is_never_made_over_another(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable) as caught:
        sqlite.create(path)
    assert caught.value.code == "exists"
    assert path.read_bytes() == before


async def test_only_its_owner_may_read_the_database(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    async with opened(path) as store:
        await accepted(store, one_release(1))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(
        ("throughgate.db", "throughgate.db-wal", "throughgate.db-shm"), 0o600
    )


async def test_a_database_of_another_version_is_refused(path: Path) -> None:
    connection = sqlite.open_writer(path)
    connection.pragma("user_version", 1)
    connection.close()
    assert await code_of_refusal(path) == "schema"


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be read\n" * 200])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "throughgate.db"
    path.write_bytes(content)
    assert await code_of_refusal(path) in {"damaged", "schema"}
    assert path.read_bytes() == content


@pytest.mark.parametrize("page", [0, 1, 5, -3])
async def test_a_database_with_a_page_of_rubbish_is_refused(path: Path, page: int) -> None:
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek((page % pages) * PAGE)
        file.write(bytes(range(256)) * (PAGE // 256))
    assert await code_of_refusal(path) == "damaged"


async def test_a_database_cut_short_is_refused(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // PAGE * PAGE)
    assert await code_of_refusal(path) == "damaged"


async def test_a_refusal_names_no_person_and_no_key(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(bytes(PAGE))
    with pytest.raises(StoreUnavailable) as caught:
        async with opened(path):
            pass
    assert not any(noms(number) in str(caught.value) for number in range(100))
    assert str(path) not in str(caught.value)
