"""What an attacker who holds the database can do to a log of ten thousand entries, each found by
the gateway's check and by the second verifier, and named where it can be."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest

from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey, VerifierKey, sign_checkpoint
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.sources import DirectorySource
from gateway.disclosure_log.tree import Tree
from gateway.model.ids import AgencyName
from gateway.store import sqlite
from gateway.store.engine import Connection
from gateway.store.high_water import HighWater
from gateway.store.store import Store
from tests.disclosure_log import second_verifier
from tests.store.stores import KEK, NOW, logging

COUNT = 10_000
BATCH = 400  # entries under one checkpoint: 25 of them
ORIGIN = "log.example.org/tampering"
KEY = LogKey.generate(ORIGIN)
FORGER = LogKey.generate(ORIGIN)

Attack = Callable[[Connection], None]


def body(number: int) -> bytes:
    return entry.security(at=NOW, code=f"n-{number}", agency=AgencyName("prison")).encode()


async def write(path: Path, bodies: Sequence[bytes], key: LogKey = KEY) -> None:
    """Write entries as the gateway does, so many to a checkpoint."""
    if not path.exists():
        sqlite.create(path)
    fatal: list[str] = []
    store = await Store.open(path, key_encryption_key=KEK, log_key=key, on_fatal=fatal.append)
    for first in range(0, len(bodies), BATCH):
        await store.commit(logging(*bodies[first : first + BATCH]))
    await store.close()
    assert not fatal


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    genesis = entry.genesis(at=NOW, origin=ORIGIN, rulebook="0" * 64).encode()
    asyncio.run(
        write(folder / "throughgate.db", [genesis, *(body(number) for number in range(1, COUNT))])
    )
    (folder / "log.vkey").write_text(KEY.verifier + "\n")
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "log"
    shutil.copytree(original, copy)
    return copy


def attacked(log: Path, *statements: str | Attack) -> None:
    connection = apsw.Connection(str(log / "throughgate.db"))
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        for one in statements:
            if callable(one):
                one(connection)
            else:
                connection.execute(one)
    assert connection.total_changes() > 0, "the attack changed nothing"
    connection.close()


def checked(
    log: Path, *, key: VerifierKey | None = KEY.verifier_key, held: Sequence[str] = ()
) -> LogReport:
    """Check a log by both verifiers, which have to agree."""
    source = DirectorySource(log)
    try:
        report = check_log(source, verifier=key, held=held)
    finally:
        source.close()
    wrong = second_verifier.verify(log, str(key or ""), held)
    assert (report.verdict == "bad") == bool(wrong), (report.problems, wrong)
    return report


def faults(report: LogReport) -> list[tuple[str, int | None]]:
    assert report.verdict == "bad"
    return [(fault.code, fault.index) for fault in report.problems]


def note_of(log: Path, size: int) -> str:
    connection = sqlite.open_reader(log / "throughgate.db")
    note = connection.execute("SELECT note FROM log_checkpoint WHERE size = ?", (size,)).get
    connection.close()
    return str(note)


def rebuilt(key: LogKey | None) -> Attack:
    """Make leaves, tiles, head and, with a key, every checkpoint fit the entries as they are."""

    def attack(connection: Connection) -> None:
        rows = connection.execute("SELECT idx, body FROM log_entry ORDER BY idx").fetchall()
        sizes = [s for (s,) in connection.execute("SELECT size FROM log_checkpoint").fetchall()]
        connection.execute("DELETE FROM log_tile")
        tiles: dict[tuple[int, int], bytes] = {}
        tree = Tree(lambda level, index: tiles[level, index])
        for index, content in rows:
            tree.append(leaf_hash(content))
            update = "UPDATE log_entry SET leaf = ? WHERE idx = ?"
            connection.execute(update, (leaf_hash(content), index))
            if tree.size in sizes:
                full = tree.take_full_tiles()
                tiles |= {(level, at): hashes for level, at, hashes in full}
                connection.executemany("INSERT INTO log_tile VALUES (?, ?, ?)", full)
                if key is not None:
                    note = sign_checkpoint(key, size=tree.size, root=tree.root())
                    update = "UPDATE log_checkpoint SET note = ? WHERE size = ?"
                    connection.execute(update, (note, tree.size))
        connection.execute("UPDATE log_head SET size = ?, root = ?", (tree.size, tree.root()))

    return attack


def test_the_log_as_written_holds(log: Path) -> None:
    report = checked(log, held=[note_of(log, 4_000), note_of(log, 10_000)])
    assert (report.verdict, report.size, report.checkpoints) == ("ok", COUNT, COUNT // BATCH)
    assert checked(log, key=None).verdict == "ok"


def edited(number: int) -> Attack:
    def attack(connection: Connection) -> None:
        connection.execute(
            "UPDATE log_entry SET body = ? WHERE idx = ?", (body(number + COUNT), number)
        )

    return attack


@pytest.mark.parametrize("number", [1, 5_432, 9_999])
def test_an_edit_is_named(log: Path, number: int) -> None:
    attacked(log, edited(number))
    assert faults(checked(log))[0] == ("leaf-mismatch", number)


def test_an_edit_carried_through_every_hash_is_found_by_the_next_signed_root(log: Path) -> None:
    attacked(log, edited(5_432), rebuilt(None))
    assert ("root-mismatch", 5_200) in faults(checked(log))  # sound up to the checkpoint before


def test_a_deletion_is_named(log: Path) -> None:
    attacked(log, "DELETE FROM log_entry WHERE idx = 7001")
    assert faults(checked(log)) == [("entry-missing", 7_001)]


def test_a_deletion_with_the_rest_moved_up_is_named(log: Path) -> None:
    attacked(
        log,
        "DELETE FROM log_entry WHERE idx = 7001",
        "UPDATE log_entry SET idx = -idx WHERE idx > 7001",
        "UPDATE log_entry SET idx = -idx - 1 WHERE idx < 0",
    )
    found = faults(checked(log))
    assert ("tile-mismatch", 7_001) in found
    assert ("root-mismatch", 6_800) in found


def test_a_reordering_is_named_at_its_first(log: Path) -> None:
    attacked(
        log,
        "UPDATE log_entry SET idx = -1 WHERE idx = 2000",
        "UPDATE log_entry SET idx = 2000 WHERE idx = 2001",
        "UPDATE log_entry SET idx = 2001 WHERE idx = -1",
    )
    assert ("tile-mismatch", 2_000) in faults(checked(log))


def test_a_truncation_is_named(log: Path) -> None:
    attacked(log, "DELETE FROM log_entry WHERE idx >= 9000")
    assert faults(checked(log)) == [("entry-missing", 9_000)]


def rolled_back(connection: Connection) -> None:
    connection.execute("DELETE FROM log_entry WHERE idx >= 6000")
    connection.execute("DELETE FROM log_checkpoint WHERE size > 6000")
    rebuilt(None)(connection)


def test_a_roll_back_is_found_by_a_kept_or_witnessed_checkpoint(log: Path) -> None:
    kept = note_of(log, 8_000)
    attacked(log, rolled_back)
    assert checked(log).verdict == "ok", "nothing inside such a log can show it"
    assert faults(checked(log, held=[kept])) == [("rolled-back", 6_000)]


async def test_a_roll_back_is_found_by_the_gateway_that_remembers(log: Path) -> None:
    remembered = HighWater(path=log / "log.high-water", name=ORIGIN)
    remembered.keep(note_of(log, 10_000))
    attacked(log, rolled_back)
    store = await Store.open(
        log / "throughgate.db",
        key_encryption_key=KEK,
        log_key=KEY,
        on_fatal=list[str]().append,
        published=remembered.known(),
    )
    missing = store.behind
    with pytest.raises(sqlite.StoreUnavailable) as caught:
        await store.commit(logging(body(1)))
    await store.close()
    assert caught.value.code == "log-behind"
    assert missing is not None
    assert missing.size == 10_000


async def test_a_fork_and_a_split_view_are_found_where_their_checkpoints_meet(log: Path) -> None:
    attacked(log, rolled_back)
    other = log.parent / "other"
    shutil.copytree(log, other)
    await write(log / "throughgate.db", [body(number) for number in range(20_000, 20_800)])
    await write(other / "throughgate.db", [body(number) for number in range(30_000, 30_800)])
    shown_to_one, shown_to_other = note_of(log, 6_800), note_of(other, 6_800)
    for view in (log, other):
        assert checked(view).verdict == "ok", "each view alone is a log"
    assert checked(log, held=[shown_to_one]).verdict == "ok"
    assert faults(checked(log, held=[shown_to_other])) == [("held-checkpoint-root-mismatch", 0)]
    # Whoever kept a checkpoint from before the fork as well knows where to look.
    both = [note_of(other, 6_000), shown_to_other]
    assert faults(checked(log, held=both)) == [("held-checkpoint-root-mismatch", 6_000)]


def test_a_log_signed_again_with_another_key_is_found(log: Path) -> None:
    attacked(log, edited(5_432), rebuilt(FORGER))
    found = faults(checked(log))
    assert {code for code, _ in found} == {"checkpoint-no-known-signature"}
    assert found[0] == ("checkpoint-no-known-signature", BATCH)


def test_a_log_signed_again_with_its_own_key_is_found_by_a_kept_checkpoint(log: Path) -> None:
    kept = [note_of(log, 5_200), note_of(log, 5_600)]
    attacked(log, edited(5_432), rebuilt(KEY))
    assert checked(log).verdict == "ok", "whoever holds the key can write another log"
    assert faults(checked(log, held=kept)) == [("held-checkpoint-root-mismatch", 5_200)]


def test_a_swapped_key_is_found_by_whoever_knows_the_right_one(log: Path) -> None:
    attacked(log, edited(5_432), rebuilt(FORGER))
    (log / "log.vkey").write_text(FORGER.verifier + "\n")
    assert checked(log, key=None).verdict == "ok", "the log's own word for its key is no evidence"
    assert faults(checked(log))[0] == ("key-not-the-one-given", None)


def test_a_key_slipped_in_beside_the_right_one_is_found(log: Path) -> None:
    (log / "log.vkey").write_text(f"{FORGER.verifier}\n{KEY.verifier}\n")
    assert faults(checked(log)) == [("key-not-logged", None)]
