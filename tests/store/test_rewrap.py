"""Rotating the key-encryption key: after any batch, every row opens with just one key (F27)."""

from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from gateway.model.ids import PersonRef
from gateway.store import own_secrets, rewrap, sqlite
from gateway.store.erasure import erase
from gateway.store.sealed import person_context
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from keys.at_rest import KeyEncryptionKey, RootKey, key_id_of
from keys.key_ring import KeyRing
from keys.problem import CannotOpen, KeyProblem
from tests.store.stores import (
    KEK,
    LOG_KEY,
    NOW,
    accepted,
    column,
    entries,
    one_release,
    opened,
    operations,
    undecided,
)

NEXT = RootKey(bytes(32))
RING = KeyRing(NEXT, [KEK])
PERSONS = 11


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with some persons in it, under the first key."""
    made = tmp_path / "throughgate.db"
    async with opened(made) as store:
        for number in range(PERSONS):
            await accepted(store, one_release(number))
    return made


async def with_ring(path: Path, ring: KeyEncryptionKey = RING, slot: int = 0) -> Store:
    return await Store.open(
        path, key_encryption_key=ring, log_key=LOG_KEY, on_fatal=list[str]().append, slot=slot
    )


def opening(path: Path, *keys: RootKey) -> list[list[str]]:
    """Return, for every wrapped key there is, the keys that unwrap it."""
    reader = sqlite.open_reader(path)
    rows = [
        (person_context(ref), wrapped)
        for ref, wrapped in reader.execute("SELECT ref, wrapped_key FROM person")
    ]
    rows += [
        (own_secrets.context(name), wrapped)
        for name, wrapped in reader.execute("SELECT name, wrapped FROM own_secret")
    ]
    reader.close()
    return [[key.id for key in keys if _unwraps(key, *row)] for row in rows]


def _unwraps(key: RootKey, context: bytes, wrapped: bytes) -> bool:
    try:
        return len(key.unwrap(wrapped, context)) == 32
    except CannotOpen:
        return False


async def rotate(store: Store, *, limit: int, at_most: int | None = None) -> int:
    """Rotate, or stop after so many batches; return how many there were."""
    done = 0
    reader = store.place.open_reader()
    try:
        for batch in rewrap.batches(reader, RING, limit=limit):
            if done == at_most:
                return done
            await store.commit(rewrap.replace(batch))
            done += 1
        assert await store.commit(rewrap.complete(NEXT.id, by="duty", now=NOW)) == 0
    finally:
        reader.close()
    return done


def ciphertext(path: Path) -> Sequence[object]:
    return column(path, "SELECT sealed FROM event ORDER BY ref")


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_a_rotation_leaves_every_key_under_the_new_one_and_no_ciphertext_touched(
    path: Path, limit: int
) -> None:
    before = ciphertext(path)
    store = await with_ring(path)
    digest, token = store.sealed.mac("p", "x"), store.sealed.derive("links")
    assert not rewrap.is_complete(store.reader, NEXT.id)
    batches = await rotate(store, limit=limit)
    assert batches == 1 + -(-PERSONS // limit)
    assert rewrap.remaining(store.reader, NEXT.id) == 0
    assert rewrap.is_complete(store.reader, NEXT.id)
    assert rewrap.remaining(store.reader, KEK.id) == PERSONS + 1
    await store.close()
    assert opening(path, KEK, NEXT) == [[NEXT.id]] * (PERSONS + 1)
    assert ciphertext(path) == before
    alone = await with_ring(path, NEXT)  # the old key may be destroyed now
    assert (alone.sealed.mac("p", "x"), alone.sealed.derive("links")) == (digest, token)
    assert len(undecided(alone)) == PERSONS
    await alone.close()


@pytest.mark.parametrize("batches", range(PERSONS + 1))
async def test_cut_short_after_any_batch_every_row_opens_with_exactly_one_key(
    path: Path, batches: int
) -> None:
    store = await with_ring(path)
    assert await rotate(store, limit=1, at_most=batches) == batches
    await store.close()
    found = opening(path, KEK, NEXT)
    assert [len(one) for one in found] == [1] * (PERSONS + 1)
    assert found.count([NEXT.id]) == batches
    store = await with_ring(path)
    assert len(undecided(store)) == PERSONS
    await rotate(store, limit=4)  # goes on where it was
    await store.close()
    assert opening(path, KEK, NEXT) == [[NEXT.id]] * (PERSONS + 1)


async def test_the_log_says_once_that_a_rotation_is_complete(path: Path) -> None:
    store = await with_ring(path)
    before = len(entries(path))
    await rotate(store, limit=5, at_most=1)
    assert len(entries(path)) == before, "nothing is complete"
    await rotate(store, limit=5)
    await rotate(store, limit=5)
    await store.close()
    assert len(entries(path)) == before + 1
    assert operations(path)[-1] == "directory"
    assert NEXT.id.encode() in entries(path)[-1]


async def test_what_another_worker_wraps_meanwhile_is_not_overlooked(path: Path) -> None:
    store, old = await with_ring(path), await with_ring(path, KEK, slot=1)
    reader = sqlite.open_reader(path)
    for batch in rewrap.batches(reader, RING, limit=100):
        await store.commit(rewrap.replace(batch))
    old_row = one_release(50)
    await old.close()
    late = await with_ring(path, KeyRing(KEK, [NEXT]), slot=1)  # has not met the new key yet
    await accepted(late, old_row)
    assert await store.commit(rewrap.complete(NEXT.id, by="duty", now=NOW)) == 1
    assert not rewrap.is_complete(reader, NEXT.id)
    reader.close()
    await rotate(store, limit=100)
    await late.close()
    await store.close()
    assert opening(path, KEK, NEXT) == [[NEXT.id]] * (PERSONS + 2)


async def test_a_person_erased_meanwhile_stays_erased(path: Path) -> None:
    store = await with_ring(path)
    reader = sqlite.open_reader(path)
    batches = list(rewrap.batches(reader, RING, limit=100))
    reader.close()
    (ref, *_others) = column(path, "SELECT ref FROM person ORDER BY ref")
    gone = PersonRef(ref)
    await store.commit(erase(store.sealed, gone, by="dpo", reason="art-17", now=NOW))
    for batch in batches:
        await store.commit(rewrap.replace(batch))
    assert await store.commit(rewrap.complete(NEXT.id, by="duty", now=NOW)) == 0
    await store.close()
    assert column(path, "SELECT ref FROM person WHERE length(wrapped_key) = 0") == [gone]


async def test_without_the_old_key_a_rotation_says_so_and_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises((StoreUnavailable, KeyProblem)):
        await with_ring(path, NEXT)
    assert path.read_bytes() == before


async def test_a_root_secret_that_is_gone_is_not_made_anew(path: Path) -> None:
    """Another root would find none of the digests that are there."""
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM own_secret")
    connection.close()
    with pytest.raises(StoreUnavailable) as caught:
        await with_ring(path)
    assert caught.value.code == "no-root"


async def test_a_root_secret_moved_from_another_database_is_refused(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    async with opened(other):
        pass
    (wrapped,) = column(other, "SELECT wrapped FROM own_secret")
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE own_secret SET wrapped = ?", (wrapped,))
    connection.close()
    with pytest.raises(StoreUnavailable) as caught:
        await with_ring(path)
    assert caught.value.code == "wrong-key"


async def test_a_wrapped_secret_names_its_key_in_the_clear(path: Path) -> None:
    (wrapped,) = column(path, "SELECT wrapped FROM own_secret")
    assert key_id_of(wrapped) == KEK.id
