"""The log's keys as they come and go, and what a restored backup does: nothing, until two agree."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli import log_export, log_keys, verify_log
from gateway.cli.exits import Trouble
from gateway.config import Config
from gateway.disclosure_log.checkpoint import (
    LogKey,
    epoch_of,
    parse_checkpoint,
    parse_keys,
    sign_checkpoint,
)
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.note import parse_note
from gateway.disclosure_log.sources import BundleSource, DirectorySource, LogSource
from gateway.instance import VKEY_NAME, create, high_water_of, opened
from gateway.key_places import make_log_key
from gateway.model.staff import ApprovalId
from gateway.standing import Standing, acknowledging
from gateway.store import approvals
from gateway.store.approvals import Decided
from gateway.store.group_commit import Staged
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from tests.disclosure_log import second_verifier
from tests.disclosure_log.serving import running
from tests.store.stores import (
    NOW,
    body,
    checkpoints,
    edit,
    entries,
    logging,
    operations,
    setting,
)

NAME = "throughgate.example/standing/2026"  # looks like an epoch, and is none


@pytest.fixture
async def config(tmp_path: Path) -> Config:
    return await create(tmp_path / "instance", name=NAME, sections="")


def database(config: Config) -> Path:
    return config.path(config.instance.database)


def keys_file(config: Config) -> str:
    return (config.home / VKEY_NAME).read_text()


def signatures(note: str) -> int:
    return len(parse_note(note).signatures)


async def log_some(config: Config, count: int = 1) -> None:
    async with opened(config) as store:
        await store.commit(logging(*(body() for _ in range(count))))


def backed_up(config: Config, folder: Path) -> Callable[[], None]:
    """Back the database up, and return what restores it."""
    copy = folder / "backup.db"
    shutil.copy(database(config), copy)

    def restore() -> None:
        for one in config.home.glob("throughgate.db*"):
            one.unlink()
        shutil.copy(copy, database(config))

    return restore


def checked(source: LogSource, folder: Path, vkeys: str, *held: str) -> LogReport:
    """Check a log with both verifiers, which have to agree."""
    report = check_log(source, verifier=parse_keys(vkeys), held=held)
    wrong = second_verifier.verify(folder, vkeys, held)
    assert (report.verdict == "bad") == bool(wrong), (report.problems, wrong)
    return report


def check(config: Config, vkeys: str, *held: str) -> LogReport:
    source = DirectorySource(config.home)
    try:
        return checked(source, config.home, vkeys, *held)
    finally:
        source.close()


def codes(report: LogReport) -> list[str]:
    return [fault.code for fault in report.problems]


# --- keys ---


async def rotated(config: Config, *, finish: bool = False) -> None:
    rotate = log_keys.finish_rotation if finish else log_keys.rotate_key
    assert await asyncio.to_thread(rotate, config.file, by="operator-01") == 0


async def test_both_keys_sign_until_the_older_is_retired(config: Config) -> None:
    first = keys_file(config)
    await rotated(config)
    await log_some(config)
    await rotated(config, finish=True)
    await log_some(config)
    notes = checkpoints(database(config))
    assert [signatures(note) for note in notes] == [1, 2, 2, 1, 1]
    assert operations(database(config)) == ["genesis", "log-key", "security", "log-key", "security"]
    newest, oldest = keys_file(config).splitlines()
    assert oldest == first.strip()
    for known in (keys_file(config), first):  # who kept the first key follows the log to the next
        assert codes(check(config, known)) == []
    # The one in force alone cannot tell who wrote the beginning.
    assert "checkpoint-no-known-signature" in codes(check(config, newest))


async def test_a_retired_key_signs_nothing_more(config: Config) -> None:
    old = (config.home / "keys/log-key").read_text()
    await rotated(config)
    await rotated(config, finish=True)
    backup = config.home / "set-aside"
    (config.home / "keys/log-key.2").rename(backup)
    with pytest.raises(StoreUnavailable) as caught:
        await log_some(config)
    assert caught.value.code == "wrong-log-key"
    backup.rename(config.home / "keys/log-key.2")
    (config.home / "keys/log-key").unlink()  # destroyed, as it should be
    await log_some(config)
    assert codes(check(config, keys_file(config))) == []
    assert old not in keys_file(config)


async def test_a_serving_store_signs_with_the_new_key_at_its_next_commit(config: Config) -> None:
    async with opened(config) as serving:
        await serving.commit(logging(body()))
        await rotated(config)
        await serving.commit(logging(body()))
        assert signatures(serving.latest_checkpoint() or "") == 2
        await rotated(config, finish=True)
        await serving.commit(logging(body()))
        assert signatures(serving.latest_checkpoint() or "") == 1
    assert codes(check(config, keys_file(config))) == []


async def test_a_rotation_cut_short_goes_on_with_the_key_it_made(config: Config) -> None:
    made = make_log_key(config)  # and then the power fails
    await log_some(config)
    assert [signatures(note) for note in checkpoints(database(config))] == [1, 1]
    await rotated(config)
    assert signatures(checkpoints(database(config))[-1]) == 2
    assert sorted((config.home / "keys").glob("log-key*")) == [config.home / "keys/log-key", made]
    with pytest.raises(Trouble, match="under way"):
        await rotated(config)


async def test_a_checkpoint_by_a_key_that_was_retired_is_found(config: Config) -> None:
    await rotated(config)
    await rotated(config, finish=True)
    await log_some(config)
    retired = LogKey.parse_secret((config.home / "keys/log-key").read_text())
    newest = parse_checkpoint(checkpoints(database(config))[-1])
    note = sign_checkpoint(retired, size=newest.size, root=newest.root)
    edit(database(config), "UPDATE log_checkpoint SET note = ? WHERE size = ?", (note, newest.size))
    assert codes(check(config, keys_file(config))) == ["checkpoint-retired-key"]


# --- a restored backup ---


async def lost(config: Config, folder: Path) -> str:
    """Publish seven more entries than the backup that is restored has; return the last note."""
    await log_some(config, 3)
    restore = backed_up(config, folder)
    await log_some(config, 7)
    published = checkpoints(database(config))[-1]
    restore()
    return published


async def approved(
    store: Store, config: Config, *, by: str = "dpo-02", subject: int = 11
) -> Decided:
    proposal = await store.commit(
        approvals.propose(
            id_=ApprovalId("apr_1"),
            kind="gap",
            subject=str(subject),
            reason="restored",
            by="dpo-01",
            now=NOW,
        )
    )
    carry_out = acknowledging(config.instance.name, lambda: NOW)
    return await store.commit(
        approvals.decide(proposal, "approved", by=by, now=NOW, carry_out=carry_out)
    )


async def test_an_old_backup_is_known_and_nothing_is_signed_or_done(
    config: Config, tmp_path: Path
) -> None:
    published = await lost(config, tmp_path)
    before = checkpoints(database(config))
    async with opened(config) as store:
        assert store.behind == parse_checkpoint(published)
        for unit in (logging(body()), setting("x", "y"), setting("x", "y", [body()])):
            with pytest.raises(StoreUnavailable) as caught:
                await store.commit(unit)
            assert caught.value.code == "log-behind"
        assert await store.commit(lambda _connection: Staged("nothing done")) == "nothing done"
    # It stays so, also for a command that knows nothing of what was published.
    high_water_of(config).path.unlink()
    with pytest.raises(StoreUnavailable):
        await log_some(config)
    assert checkpoints(database(config)) == before
    assert not high_water_of(config).path.exists()


async def test_two_persons_let_it_go_on_under_another_origin(
    config: Config, tmp_path: Path
) -> None:
    published = await lost(config, tmp_path)
    first_key = keys_file(config)
    async with opened(config) as store:
        assert (await approved(store, config, by="dpo-01")).verdict == "own"
        assert store.behind is not None
        assert (await approved(store, config)).verdict == "approved"
        assert store.behind is None
    await log_some(config)
    notes = [parse_checkpoint(note) for note in checkpoints(database(config))]
    assert [(note.origin, note.size) for note in notes] == [
        (NAME, 1),
        (NAME, 4),
        (f"{NAME}/2", 7),  # proposed, approved, gap: nothing was signed in between
        (f"{NAME}/2", 8),
    ]
    assert operations(database(config))[4:7] == ["approval", "approval", "gap"]
    report = check(config, first_key)
    assert codes(report) == []
    assert (report.lost, report.gaps[0].origin) == (7, f"{NAME}/2")
    assert codes(check(config, keys_file(config))) == []
    assert codes(check(config, first_key, published)) == ["held-checkpoint-lost"]
    known = high_water_of(config).known()
    assert known is not None
    assert (known.origin, known.size) == (f"{NAME}/2", 8)


async def test_a_second_restore_takes_a_third_origin(config: Config, tmp_path: Path) -> None:
    await log_some(config, 3)
    restore = backed_up(config, tmp_path)
    await log_some(config, 7)
    restore()
    async with opened(config) as store:
        await approved(store, config)
    await log_some(config, 20)
    restore()
    async with opened(config) as store:
        assert store.behind is not None
        await approved(store, config, subject=store.behind.size)
    assert parse_checkpoint(checkpoints(database(config))[-1]).origin == f"{NAME}/3"
    assert codes(check(config, keys_file(config))) == []


async def test_a_log_forked_from_a_backup_is_known_whatever_its_size(
    config: Config, tmp_path: Path
) -> None:
    await lost(config, tmp_path)
    remembered = high_water_of(config).path.rename(tmp_path / "elsewhere")
    await log_some(config, 30)  # nobody knew, and nobody could
    shutil.copy(remembered, high_water_of(config).path)
    with pytest.raises(StoreUnavailable) as caught:
        await log_some(config)
    assert caught.value.code == "log-behind"


async def test_what_was_published_cannot_be_forgotten_by_accident(
    config: Config, tmp_path: Path
) -> None:
    await log_some(config)
    water = high_water_of(config)
    for spoilt in (b"", b"rubbish", b"\xff"):
        water.path.write_bytes(spoilt)
        with pytest.raises(StoreUnavailable) as caught:
            await log_some(config)
        assert caught.value.code == "high-water"
    missing = type(water)(path=tmp_path / "unmounted" / "file", name=NAME)
    with pytest.raises(StoreUnavailable, match="mounted"):
        missing.known()


async def test_it_only_ever_grows(config: Config) -> None:
    await log_some(config)
    older, newer = checkpoints(database(config))
    water = high_water_of(config)
    assert not water.keep(older)
    assert water.note() == newer
    assert not water.keep(newer)


# --- as a serving gateway lives it ---


async def until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 - what changes is on disk
        await asyncio.sleep(0.01)


async def test_what_is_published_is_remembered_while_it_serves(config: Config) -> None:
    async with opened(config) as store:
        standing = Standing(store=store, config=config, every_s=0.01)
        running_now = asyncio.create_task(standing.run())
        await store.commit(logging(body()))
        await until(lambda: high_water_of(config).note() == store.latest_checkpoint())
        running_now.cancel()
        await asyncio.wait([running_now])
        assert standing.known == parse_checkpoint(store.latest_checkpoint() or "")
        assert not standing.read_only


async def test_a_witness_that_saw_more_holds_it_back_and_loops_rest(config: Config) -> None:
    begun: list[str] = []

    async def working() -> None:
        begun.append("begun")
        await asyncio.Event().wait()

    async with opened(config) as store:
        standing = Standing(store=store, config=config, every_s=0.01)
        resting = asyncio.create_task(standing.while_whole(working)())
        await until(lambda: len(begun) == 1)
        await standing.on_behind(1)
        assert not standing.read_only, "a witness that is no further than the log says nothing"
        await standing.on_behind(9)
        assert standing.read_only
        owed = asyncio.create_task(standing.once_whole(logging(body())))
        await asyncio.sleep(0.05)
        assert (len(begun), owed.done()) == (1, False)
        assert (await approved(store, config, subject=9)).verdict == "approved"
        await until(lambda: len(begun) == 2)
        await owed
        resting.cancel()
        await asyncio.wait([resting])
        await standing.on_forked(3)  # at a size it has, and of which it has something else
        assert standing.read_only
    report = check(config, keys_file(config))
    assert codes(report) == []
    assert (report.gaps[0].known_size, report.gaps[0].known_root) == (9, None)


async def test_looking_at_the_log_while_it_is_behind_is_logged_when_it_goes_on(
    config: Config, tmp_path: Path
) -> None:
    await lost(config, tmp_path)
    async with opened(config):
        pass
    out = tmp_path / "exported"
    assert await asyncio.to_thread(log_export.export, config.file, out) == 0
    assert len(entries(database(config))) == 4
    async with opened(config) as store:
        await approved(store, config)
    assert operations(database(config))[4:] == ["approval", "consultation", "approval", "gap"]


# --- exported ---


async def test_an_export_is_a_log_anyone_can_check(config: Config, tmp_path: Path) -> None:
    await rotated(config)
    await log_some(config, 700)
    out = tmp_path / "stick"
    assert await asyncio.to_thread(log_export.export, config.file, out) == 0
    assert operations(database(config))[-1] == "consultation"
    report = checked(BundleSource(out), out, keys_file(config))
    assert (codes(report), report.size) == ([], 703)
    assert (out / "tile/1/000.p/2").is_file()
    edge = out / "tile/1/000.p/2"
    edge.write_bytes(bytes(64))
    spoilt = checked(BundleSource(out), out, keys_file(config))
    assert [(one.code, one.index) for one in spoilt.problems] == [("tile-mismatch", 0)]
    edge.unlink()
    assert codes(checked(BundleSource(out), out, keys_file(config))) == ["tile-missing"]
    with pytest.raises(Trouble, match="not empty"):
        log_export.export(config.file, out)
    (out / "tile/entries/001").write_bytes((out / "tile/entries/000").read_bytes())
    assert "leaf-mismatch" in codes(checked(BundleSource(out), out, keys_file(config)))
    (out / "tile/0/001").unlink()
    assert codes(checked(BundleSource(out), out, keys_file(config)))[0] == "leaf-mismatch"


async def test_any_web_server_with_an_export_is_a_log_server(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await log_some(config, 300)
    out = tmp_path / "stick"
    await asyncio.to_thread(log_export.export, config.file, out)
    site = web.Application()
    site.router.add_static("/copies/here", out)
    async with running(site) as url:
        capsys.readouterr()
        where = f"{url}/copies/here"
        assert await asyncio.to_thread(verify_log.log, where, keys_file(config)) == 0
    assert await asyncio.to_thread(verify_log.log, str(out), keys_file(config)) == 0
    assert capsys.readouterr().out.count("ok: 302 entries under 3 checkpoints") == 2


async def test_what_was_lost_is_said_on_the_command_line(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = await lost(config, tmp_path)
    given = {"by": "dpo-01", "reason": "restored"}
    for _ in range(2):  # the same proposal, however often it is asked for
        assert await asyncio.to_thread(log_keys.acknowledge_gap, config.file, **given) == 0
    said = capsys.readouterr().out
    assert said.count("This log has 4 entries; 11 were published") == 2
    assert len({word.strip(".") for word in said.split() if word.startswith("apr_")}) == 1
    async with opened(config) as store:
        assert (await approved(store, config)).verdict == "approved"
    assert verify_log.log(str(config.home), keys_file(config)) == 0
    assert "LOST: 7 entries published after entry 4" in capsys.readouterr().out
    held = tmp_path / "held"
    held.write_text(published)
    assert verify_log.log(str(config.home), keys_file(config), held=held) == 1
    assert "held-checkpoint-lost at entry 4" in capsys.readouterr().out
    assert await asyncio.to_thread(log_keys.acknowledge_gap, config.file, **given) == 0
    assert "the log is whole" in capsys.readouterr().out


def test_epochs_are_told_from_names() -> None:
    assert epoch_of(NAME, NAME) == 1
    assert epoch_of(NAME, f"{NAME}/2") == 2
    for other in (f"{NAME}/1", f"{NAME}/02", f"{NAME}/x", f"{NAME}2", "other", ""):
        assert epoch_of(NAME, other) is None
