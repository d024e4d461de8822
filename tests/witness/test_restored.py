"""Two instances on one restored backup: one alone is ever witnessed, and the other is told."""

import shutil
from pathlib import Path

from gateway.disclosure_log.checkpoint import parse_checkpoint, verify_checkpoint
from gateway.store import witnessed
from tests.disclosure_log import independent
from tests.store.stores import LOG_KEY, entries, opened
from tests.witness.stage import client, policy_text, serving
from tests.witness.test_witnessing import Told, grow, loop, newest, witness_at


async def backed_up(path: Path, copy: Path, size: int) -> None:
    async with opened(path) as store:
        await grow(store, size)
    shutil.copy(path, copy)


async def test_a_restored_instance_is_refused_and_told_by_how_much_it_is_behind(
    tmp_path: Path,
) -> None:
    live, restored = tmp_path / "live.db", tmp_path / "restored.db"
    folder = witness_at(tmp_path)
    await backed_up(live, restored, 5)
    async with serving(folder) as url, client() as asking:
        policy = policy_text([(url, folder)], threshold=1)
        async with opened(live) as first, opened(restored) as second:
            told = Told()
            await grow(first, 4)
            assert await loop(first, policy, asking, told).look()
            assert told == Told()
            it = loop(second, policy, asking, told)
            assert not await it.look()
            assert told.behind == [9]
            assert told.incidents == [("log-behind-witness", it.witnesses[0].subject)]
            assert newest(second) == 0


async def test_one_that_grew_past_what_was_witnessed_is_found_to_be_forked(tmp_path: Path) -> None:
    live, restored = tmp_path / "live.db", tmp_path / "restored.db"
    folder = witness_at(tmp_path)
    await backed_up(live, restored, 5)
    async with serving(folder) as url, client() as asking:
        policy = policy_text([(url, folder)], threshold=1)
        async with opened(live) as first, opened(restored) as second:
            told, other = Told(), Told()
            it = loop(first, policy, asking, told)
            await grow(first, 4)
            assert await it.look()
            await grow(second, 7)
            assert not await loop(second, policy, asking, other).look()
            assert other.forked == [9]
            assert [code for code, _ in other.incidents] == ["log-forked"]
            assert newest(second) == 0
            await grow(first)
            assert await it.look()  # the one that was witnessed goes on
            assert told == Told()


async def test_whichever_of_two_instances_comes_first_the_other_publishes_nothing(
    tmp_path: Path,
) -> None:
    for winner in (0, 1):
        where = tmp_path / str(winner)
        where.mkdir()
        paths = [where / "one.db", where / "two.db"]
        folder = witness_at(where)
        await backed_up(paths[0], paths[1], 3)
        async with serving(folder) as url, client() as asking:
            policy = policy_text([(url, folder)], threshold=1)
            async with opened(paths[0]) as one, opened(paths[1]) as two:
                stores = [one, two]
                loops = [loop(store, policy, asking, Told()) for store in stores]
                for count in (1, 5, 2):  # by turns, the later always the larger
                    for which in (winner, 1 - winner):
                        await grow(stores[which], count)
                        assert await loops[which].look() is (which == winner)
                assert newest(stores[1 - winner]) == 0
                size, note = witnessed.newest(stores[winner].reader) or (0, "")
        seen = verify_checkpoint(note, [LOG_KEY.verifier_key])
        leaves = [independent.digest(b"\x00", one) for one in entries(paths[winner])]
        assert (seen.size, seen.root) == (size, independent.tree_head(leaves))


async def test_an_instance_restored_to_its_very_end_goes_on(tmp_path: Path) -> None:
    live, restored = tmp_path / "live.db", tmp_path / "restored.db"
    folder = witness_at(tmp_path)
    async with serving(folder) as url, client() as asking:
        policy = policy_text([(url, folder)], threshold=1)
        async with opened(live) as first:
            await grow(first, 5)
            assert await loop(first, policy, asking, Told()).look()
        shutil.copy(live, restored)
        async with opened(restored) as second:
            told = Told()
            it = loop(second, policy, asking, told)
            assert await it.look()
            assert await grow(second) == 6
            assert await it.look()
            assert told == Told()
            assert parse_checkpoint((witnessed.newest(second.reader) or (0, ""))[1]).size == 6
