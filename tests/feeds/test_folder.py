"""The folder feed: real files, and where they are afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.contract import Split
from adapters.kit import framing
from gateway.config.feeds import FolderFeedConfig
from gateway.feeds.contract import Answer, FeedTrouble, Fetched
from gateway.feeds.folder import FolderFeed
from gateway.operator_log import FIELDS
from tests import canaries
from tests.feeds.scripted import background, until

ACCEPTED = Answer(verdict="accepted")
LATER = Answer(verdict="later", reasons=("behind",))


class Drop:
    """A drop folder, a feed that reads it fast, and what was handed over."""

    def __init__(self, path: Path, *, split: Split = framing.lines, **changes: object) -> None:
        self.path = path
        path.mkdir(mode=0o750)
        stated = {
            "kind": "folder", "name": "drop", "agency": "a", "path": path,
            "settle_s": 0.05, "every_s": 0.01,
        }  # fmt: skip
        config = FolderFeedConfig.model_validate(stated | changes)
        self.feed = FolderFeed(config, path=path, split=split)
        self.given: list[Fetched] = []
        self.answer: Callable[[bytes], Answer] = lambda _body: ACCEPTED
        self.at_once = self.most_at_once = 0

    async def take(self, fetched: Fetched) -> Answer:
        self.given.append(fetched)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.answer(fetched.body)

    def put(self, name: str, content: bytes) -> Path:
        part = self.path / f"{name}.part"
        part.write_bytes(content)
        return part.rename(self.path / name)

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.given]

    def files(self) -> set[str]:
        return {
            file.relative_to(self.path).as_posix()
            for file in self.path.rglob("*")
            if not file.is_dir() or file.is_symlink()
        }


@pytest.fixture
async def drop(tmp_path: Path) -> AsyncIterator[Drop]:
    made = Drop(tmp_path / "drop")
    async with background(made.feed.run(made.take)):
        yield made


async def test_every_message_is_handed_over_in_order_and_the_file_deleted(drop: Drop) -> None:
    drop.put("a.txt", b"".join(b"%d\n" % n for n in range(100)))
    await until(lambda: drop.files() == set() and len(drop.given) == 100)
    assert drop.bodies == [b"%d" % n for n in range(100)]
    assert 1 < drop.most_at_once <= 16
    assert len({one.message_id for one in drop.given}) == 100


async def test_a_file_is_kept_where_the_configuration_says_so(tmp_path: Path) -> None:
    drop = Drop(tmp_path / "drop", after="keep")
    async with background(drop.feed.run(drop.take)):
        drop.put("a.txt", b"1")
        await until(lambda: drop.files() == {"done/a.txt"})
        drop.put("a.txt", b"2")
        await until(lambda: drop.files() == {"done/a.txt", "done/a.txt.1"})
    assert (drop.path / "done/a.txt").read_bytes() == b"1"
    assert (drop.path / "done/a.txt.1").read_bytes() == b"2"


async def test_the_same_message_has_the_same_id_in_any_file(drop: Drop) -> None:
    drop.put("a.txt", b"same\n")
    await until(lambda: len(drop.given) == 1)
    drop.put("b.txt", b"other\nsame\n")
    await until(lambda: len(drop.given) == 3)
    assert drop.given[0] == drop.given[2] != drop.given[1]


async def test_a_file_with_a_refused_message_goes_aside_with_its_reasons(drop: Drop) -> None:
    reasons = ("malformed-event", "$.a: required")
    drop.answer = lambda body: (
        Answer(verdict="refused", reasons=reasons) if b"bad" in body else ACCEPTED
    )
    content = f"good\nbad {canaries.NAME}\ngood too\nbad\n".encode()
    with capture_logs() as lines:
        drop.put(f"{canaries.NAME}.txt", content)
        name = f"refused/{canaries.NAME}.txt"
        await until(lambda: drop.files() == {name, f"{name}.reasons.txt"})
        await until(lambda: any(line["event"] == "file refused" for line in lines))
    assert (drop.path / name).read_bytes() == content
    assert (drop.path / f"{name}.reasons.txt").read_text() == (
        "# 2 of 4 messages refused\n"
        "1\tmalformed-event\n1\t$.a: required\n3\tmalformed-event\n3\t$.a: required\n"
    )
    assert canaries.found_in(str(lines)) == []
    [line] = [line for line in lines if line["event"] == "file refused"]
    assert line["count"] == 2
    assert set(line) <= FIELDS | {"log_level"}


async def test_the_list_of_reasons_is_bounded(drop: Drop) -> None:
    drop.answer = lambda _body: Answer(verdict="refused", reasons=("malformed-event",))
    drop.put("a.txt", b"x\n" * 3000)
    await until(lambda: "refused/a.txt" in drop.files())
    listed = (drop.path / "refused/a.txt.reasons.txt").read_text().splitlines()
    assert len(listed) == 1002
    assert listed[-1] == "# and 2000 more"


async def test_what_cannot_be_cut_is_refused_and_what_came_before_it_taken(drop: Drop) -> None:
    drop.put("a.txt", b"one\n" + b"x" * (framing.MAX_MESSAGE_BYTES + 1))
    await until(lambda: "refused/a.txt" in drop.files())
    assert drop.bodies == [b"one"]
    reasons = (drop.path / "refused/a.txt.reasons.txt").read_text()
    assert reasons.splitlines()[1] == "1\tmalformed-event"


async def test_a_fault_in_cutting_refuses_that_file_alone(tmp_path: Path) -> None:
    def split(pieces: object) -> object:
        body = b"".join(pieces)  # type: ignore[call-overload]
        yield {b"one": b"one"}[body]

    drop = Drop(tmp_path / "drop", split=split)  # type: ignore[arg-type]
    async with background(drop.feed.run(drop.take)):
        drop.put("a.txt", b"two")
        drop.put("b.txt", b"one")
        await until(lambda: drop.files() == {"refused/a.txt", "refused/a.txt.reasons.txt"})
        await until(lambda: drop.bodies == [b"one"])


async def test_what_comes_later_is_waited_for_and_only_that_is_tried_again(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.feeds.folder.RETRY_S", 0.01)
    tries: dict[bytes, int] = {}

    def answer(body: bytes) -> Answer:
        tries[body] = tries.get(body, 0) + 1
        return LATER if body in (b"2", b"3") and tries[body] < 4 else ACCEPTED

    drop.answer = answer
    drop.put("a.txt", b"1\n2\n3\n4\n")
    await until(lambda: len(tries) == 4 and drop.files() == set())
    assert tries == {b"1": 1, b"2": 4, b"3": 4, b"4": 1}


async def test_while_it_waits_the_file_stays_and_a_crash_costs_nothing(tmp_path: Path) -> None:
    drop = Drop(tmp_path / "drop")
    drop.answer = lambda body: LATER if body == b"2" else ACCEPTED
    async with background(drop.feed.run(drop.take)):
        drop.put("a.txt", b"1\n2\n")
        await until(lambda: len(drop.given) == 2)
    assert drop.files() == {"a.txt"}
    before = drop.given.copy()
    drop.answer = lambda _body: ACCEPTED
    async with background(drop.feed.run(drop.take)):
        await until(lambda: drop.files() == set())
    assert drop.given[2:] == before


async def test_unfinished_and_growing_files_are_left_until_they_are_done(tmp_path: Path) -> None:
    drop = Drop(tmp_path / "drop", settle_s=0.3)
    for name in ("a.part", "b.TMP", ".c.txt"):
        (drop.path / name).write_bytes(b"no")
    async with background(drop.feed.run(drop.take)):
        with (drop.path / "grows.txt").open("ab", buffering=0) as file:
            for n in range(8):
                file.write(b"%d\n" % n)
                await asyncio.sleep(0.1)
            assert drop.given == []
        await until(lambda: len(drop.given) == 8)
        await until(lambda: drop.files() == {"a.part", "b.TMP", ".c.txt"})


async def test_a_file_that_changes_while_it_is_read_is_read_again_as_it_is(drop: Drop) -> None:
    path = drop.path / "a.txt"

    def answer(body: bytes) -> Answer:
        if body == b"first":
            path.write_bytes(b"second\n")
        return ACCEPTED

    drop.answer = answer
    drop.put("a.txt", b"first\n")
    await until(lambda: drop.files() == set())
    assert drop.bodies == [b"first", b"second"]


async def test_a_file_put_in_its_place_meanwhile_is_not_taken_for_it(drop: Drop) -> None:
    def answer(body: bytes) -> Answer:
        if body == b"first":
            drop.put("a.txt", b"second\n")
        return ACCEPTED

    drop.answer = answer
    drop.put("a.txt", b"first\n")
    await until(lambda: drop.files() == set())
    assert drop.bodies == [b"first", b"second"]


async def test_nothing_but_the_agencys_own_plain_files_is_read(drop: Drop, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"secret")
    with capture_logs() as lines:
        (drop.path / "link.txt").symlink_to(secret)
        (drop.path / "folder.txt").mkdir()
        os.mkfifo(drop.path / "pipe.txt")
        (drop.path / "second.txt").hardlink_to(secret)
        (drop.path / "foreign.txt").write_bytes(b"foreign")
        (drop.path / ("n" * 240)).write_bytes(b"long")
        own = os.geteuid() != 0
        if not own:
            os.chown(drop.path / "foreign.txt", 12345, -1)
        drop.put("good.txt", b"good")
        await until(lambda: b"good" in drop.bodies)
        await asyncio.sleep(0.2)
    if not own:
        assert drop.bodies == [b"good"]
        assert "foreign-owner" in [line.get("code") for line in lines]
    assert b"secret" not in drop.bodies
    codes = [line["code"] for line in lines if line["event"] == "file passed over"]
    assert len(codes) == len(set(codes)) + codes.count("not-a-file") - 1  # each said once
    assert {"symlink", "not-a-file", "second-name", "long-name"} <= set(codes)
    assert {"link.txt", "pipe.txt", "second.txt"} <= drop.files()


async def test_a_link_where_files_go_afterwards_is_not_followed(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    drop = Drop(tmp_path / "drop")
    drop.put("a.txt", b"one")
    (drop.path / "done").symlink_to(elsewhere)
    with pytest.raises(FeedTrouble, match="not-a-folder"):
        await asyncio.wait_for(drop.feed.run(drop.take), timeout=10)
    assert drop.files() == {"a.txt", "done"}
    assert [*elsewhere.iterdir()] == []


async def test_what_is_set_aside_is_as_open_as_the_folder(drop: Drop) -> None:
    drop.answer = lambda _body: Answer(verdict="refused", reasons=("malformed-event",))
    drop.put("a.txt", b"one")
    await until(lambda: "refused/a.txt" in drop.files())
    assert (drop.path / "refused").stat().st_mode & 0o777 == 0o750
    assert (drop.path / "refused/a.txt.reasons.txt").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: path.chmod(0o777), "open-to-all"),
        (lambda path: path.rmdir(), "not-a-folder"),
        (lambda path: (path.rmdir(), path.write_bytes(b"")), "not-a-folder"),
        (lambda path: (path.rmdir(), path.symlink_to(path.parent)), "not-a-folder"),
    ],
)
async def test_a_folder_that_is_spoilt_stops_the_feed(
    tmp_path: Path, spoil: Callable[[Path], object], code: str
) -> None:
    drop = Drop(tmp_path / "drop")
    spoil(drop.path)
    with pytest.raises(FeedTrouble) as trouble:
        await asyncio.wait_for(drop.feed.run(drop.take), timeout=10)
    assert trouble.value.code == code


async def test_memory_stays_flat_however_long_a_file_is(tmp_path: Path) -> None:
    import tracemalloc

    drop = Drop(tmp_path / "drop")
    path = drop.path / "long.part"
    with path.open("wb") as file:
        for n in range(32):
            file.write((b"%d " % n).ljust(1024 * 1023, b"x") + b"\n")
    path.rename(drop.path / "long.txt")
    seen = 0

    async def take(fetched: Fetched) -> Answer:
        nonlocal seen
        seen += 1
        return ACCEPTED

    tracemalloc.start()
    try:
        async with background(drop.feed.run(take)):
            await until(lambda: drop.files() == set())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == 32
    assert peak < 10 * 1024 * 1024
