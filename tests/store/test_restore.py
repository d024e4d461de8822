"""The tree as it comes back from the database: at every shape, and when some of it is missing."""

import pytest

from gateway.disclosure_log import merkle
from gateway.disclosure_log.checkpoint import verify_checkpoint
from gateway.disclosure_log.merkle import EMPTY_ROOT, leaf_hash, root_of
from gateway.store.log_tree import restore_tree
from gateway.store.place import placed
from gateway.store.sqlite import StoreUnavailable
from tests.store.stores import (
    LOG_KEY,
    Where,
    body,
    checkpoints,
    column,
    edit,
    entries,
    logging,
    opened,
)

TILE = 256


def blank(table: str, column: str, size: int, where: str = "") -> str:
    return f"UPDATE {table} SET {column} = x'{'00' * size}' {where}"


def leaves(path: Where) -> list[bytes]:
    return [leaf_hash(one) for one in entries(path)]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 1000])
async def test_a_log_reopened_at_any_size_goes_on_where_it_was(path: Where, size: int) -> None:
    async with opened(path) as store:
        await store.commit(logging(*(body() for _ in range(size))))
    reader = placed(path).open_reader()
    tree = restore_tree(reader)
    assert tree.size == size
    assert tree.root() == (root_of(leaves(path)) if size else EMPTY_ROOT)
    reader.close()
    async with opened(path) as store:
        await store.commit(logging(*(body() for _ in range(300))))
    newest = verify_checkpoint(checkpoints(path)[-1], [LOG_KEY.verifier_key])
    assert (newest.size, newest.root) == (size + 300, root_of(leaves(path)))


async def test_a_log_of_more_than_two_levels_of_tiles_is_restored_whole(path: Where) -> None:
    size = TILE * TILE + 3 * TILE + 17  # past 65,536: a full tile of the second level
    async with opened(path) as store:
        for first in range(0, size, 20_000):
            count = min(20_000, size - first)
            await store.commit(logging(*(b'{"n":%d}' % n for n in range(first, first + count))))
    hashes = leaves(path)
    reader = placed(path).open_reader()
    tree = restore_tree(reader)
    root = root_of(hashes)
    assert (tree.size, tree.root()) == (size, root)
    assert len(column(path, "SELECT idx FROM log_tile WHERE level = 0")) == size // TILE
    assert column(path, "SELECT idx FROM log_tile WHERE level = 1") == [0]
    for index in (0, 255, 256, TILE * TILE - 1, TILE * TILE, size - 1):
        merkle.verify_inclusion(
            index=index,
            size=size,
            leaf=hashes[index],
            path=tree.inclusion_path(index),
            root=root,
        )
    reader.close()
    async with opened(path) as store:
        await store.commit(logging(body()))
    newest = verify_checkpoint(checkpoints(path)[-1], [LOG_KEY.verifier_key])
    assert newest.root == root_of(leaves(path))


async def grown(path: Where, size: int) -> None:
    async with opened(path) as store:
        await store.commit(logging(*(body() for _ in range(size))))


async def refused(path: Where) -> str:
    """Open the damaged log and append to it; return the code of the refusal."""
    fatal: list[str] = []
    with pytest.raises(StoreUnavailable) as caught:
        async with opened(path, fatal=fatal) as store:
            await store.commit(logging(body()))
    return caught.value.code


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("DELETE FROM log_entry WHERE idx = 599", id="last entry deleted"),
        pytest.param("DELETE FROM log_entry WHERE idx = 520", id="late entry deleted"),
        pytest.param("DELETE FROM log_tile WHERE idx = 1", id="tile deleted"),
        pytest.param(blank("log_tile", "hashes", 8191, "WHERE idx = 1"), id="tile cut"),
        pytest.param(blank("log_tile", "hashes", 8192, "WHERE idx = 0"), id="tile blank"),
        pytest.param(blank("log_entry", "leaf", 32, "WHERE idx = 599"), id="leaf blank"),
        pytest.param(blank("log_head", "root", 32), id="root blank"),
        pytest.param("UPDATE log_head SET size = 599", id="head set back"),
        pytest.param("UPDATE log_head SET size = 601", id="head set forward"),
        pytest.param("DELETE FROM log_head", id="head deleted"),
    ],
)
async def test_a_log_that_does_not_add_up_is_refused_and_nothing_more_is_signed(
    path: Where, damage: str
) -> None:
    await grown(path, 600)
    notes = checkpoints(path)
    edit(path, damage)
    assert await refused(path) in {"log-corrupt", "poisoned"}
    assert checkpoints(path) == notes


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM log_entry WHERE idx = 599",
        blank("log_tile", "hashes", 8192, "WHERE idx = 0"),
        blank("log_head", "root", 32),
        "UPDATE log_head SET size = 599",
        "DELETE FROM log_head",
    ],
)
async def test_a_log_that_does_not_add_up_is_refused_at_opening_before_anything_is_accepted(
    path: Where, damage: str
) -> None:
    await grown(path, 600)
    edit(path, damage)
    with pytest.raises(StoreUnavailable) as caught:
        async with opened(path):
            pass
    assert caught.value.code == "log-corrupt"
