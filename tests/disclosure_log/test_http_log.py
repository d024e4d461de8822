"""The log over HTTP: tlog-tiles to the letter, entries to this machine only, audit end to end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.disclosure_log.checkpoint import parse_checkpoint, sign_checkpoint
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.merkle import leaf_hash, root_of
from gateway.disclosure_log.problem import CannotRead
from gateway.disclosure_log.sources import UrlSource
from gateway.disclosure_log.tiles import tile_path, unpack_bundle
from gateway.http.log import StoredTiles
from tests.disclosure_log.logs import KEY, MemoryReader, bodies
from tests.disclosure_log.serving import running, served

COUNT = 600
SIZES = [1, 3, 256, 300, 600]
ENTRIES = bodies(COUNT)
LEAVES = [leaf_hash(body) for body in ENTRIES]


@pytest.fixture
def reader() -> MemoryReader:
    return MemoryReader(ENTRIES, SIZES)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(
    client: aiohttp.ClientSession, url: str, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    async with client.get(url, headers=headers) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


async def audit(url: str) -> LogReport:
    return await asyncio.to_thread(
        lambda: check_log(UrlSource(url), verifier=KEY.verifier_key, progress=lambda *_: None)
    )


async def test_checkpoint_key_and_list_are_served(
    reader: MemoryReader, client: aiohttp.ClientSession
) -> None:
    async with served(reader) as url:
        status, body, headers = await get(client, f"{url}/log/checkpoint")
        assert (status, body.decode()) == (200, reader.notes[-1])
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["Cache-Control"] == "no-cache"
        _, body, _ = await get(client, f"{url}/log/vkey")
        assert body.decode().strip() == KEY.verifier
        _, body, headers = await get(client, f"{url}/log/checkpoints")
        assert headers["Content-Type"].startswith("application/x-ndjson")
        assert [json.loads(line) for line in body.splitlines()] == reader.notes


async def test_tiles_hold_the_hashes_of_the_specification(
    reader: MemoryReader, client: aiohttp.ClientSession
) -> None:
    roots = [root_of(LEAVES[:256]), root_of(LEAVES[256:512])]
    expected = {
        "0/000": LEAVES[:256],
        "0/001": LEAVES[256:512],
        "0/002.p/88": LEAVES[512:600],
        "0/002.p/1": LEAVES[512:513],
        "0/001.p/44": LEAVES[256:300],
        "1/000.p/2": roots,
        "1/000.p/1": roots[:1],
    }
    async with served(reader) as url:
        for path, hashes in expected.items():
            status, body, headers = await get(client, f"{url}/log/tile/{path}")
            assert (status, body) == (200, b"".join(hashes)), path
            assert headers["Content-Type"] == "application/octet-stream"
            assert "immutable" in headers["Cache-Control"]


async def test_nothing_is_served_past_the_latest_checkpoint(
    reader: MemoryReader, client: aiohttp.ClientSession
) -> None:
    reader.notes = reader.notes[:-1]  # 300 covered, 600 written
    async with served(reader) as url:
        for path in (
            *("0/001", "0/001.p/45", "0/002.p/1", "1/000", "1/000.p/2", "2/000.p/1"),
            *("entries/001", "entries/001.p/45", "entries/x001/000"),
        ):
            assert (await get(client, f"{url}/log/tile/{path}"))[0] == 404, path
        for path in ("0/001.p/44", "1/000.p/1", "entries/001.p/44"):
            assert (await get(client, f"{url}/log/tile/{path}"))[0] == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/0",
        "0/x000/000",
        "0/000/",
        "00/000",
        "64/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "entries/0",
        "data/000",
        "%2e%2e/000",
        "0/-01",
        "63/x999/x999/x999/999",
    ],
)
async def test_any_other_name_is_not_there(
    reader: MemoryReader, client: aiohttp.ClientSession, path: str
) -> None:
    async with served(reader) as url:
        assert (await get(client, f"{url}/log/tile/{path}"))[0] == 404
    assert reader.readings == []


async def test_a_log_without_a_checkpoint_serves_nothing(client: aiohttp.ClientSession) -> None:
    async with served(MemoryReader([], [])) as url:
        for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"):
            assert (await get(client, f"{url}/log/{path}"))[0] == 404


async def test_a_bundle_is_recorded_as_a_reading_before_it_is_served(
    reader: MemoryReader, client: aiohttp.ClientSession
) -> None:
    async with served(reader) as url:
        status, body, headers = await get(client, f"{url}/log/tile/entries/001")
        assert (status, list(unpack_bundle(body))) == (200, ENTRIES[256:512])
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Cache-Control"] == "no-store"
        _, body, _ = await get(client, f"{url}/log/tile/entries/002.p/88")
        assert list(unpack_bundle(body)) == ENTRIES[512:600]
    assert reader.readings == [(256, 512), (512, 600)]


class Unrecordable(MemoryReader):
    async def record_reading(self, start: int, end: int) -> None:
        raise OSError("no space")


async def test_a_reading_that_cannot_be_recorded_is_not_served(
    client: aiohttp.ClientSession,
) -> None:
    async with served(Unrecordable(ENTRIES, SIZES)) as url:
        status, body, _ = await get(client, f"{url}/log/tile/entries/000")
        assert status == 500
        assert ENTRIES[0] not in body


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_entries_are_not_there_for_whoever_comes_through_a_proxy(
    reader: MemoryReader, client: aiohttp.ClientSession, header: str
) -> None:
    async with served(reader) as url:
        bundle = f"{url}/log/tile/entries/000"
        assert (await get(client, bundle, **{header: "127.0.0.1"}))[0] == 404
        assert (await get(client, f"{url}/log/tile/0/000", **{header: "127.0.0.1"}))[0] == 200
        assert reader.readings == []
    async with served(reader, allow_remote=True) as url:
        bundle = f"{url}/log/tile/entries/000"
        assert (await get(client, bundle, **{header: "127.0.0.1"}))[0] == 200
        assert reader.readings == [(0, 256)]


class Tiled(MemoryReader):
    """Also keeps its full tiles; counts leaf hashes it is asked for."""

    asked = 0

    async def tile(self, level: int, index: int) -> bytes | None:
        return self.tiles.get((level, index))

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        self.asked += end - start
        return await super().leaf_hashes(start, end)


async def test_high_tiles_come_from_stored_ones_and_each_root_is_found_once(
    client: aiohttp.ClientSession,
) -> None:
    entries = [b"%d" % number for number in range(65_537)]
    root = root_of([leaf_hash(body) for body in entries[:65_536]])
    tiled, plain = Tiled(entries, [65_537]), MemoryReader(entries, [65_537])
    assert isinstance(tiled, StoredTiles)
    assert not isinstance(plain, StoredTiles)
    for reader in (tiled, plain):
        async with served(reader) as url:
            for _ in range(2):
                status, body, _ = await get(client, f"{url}/log/tile/2/000.p/1")
                assert (status, body) == (200, root)
    assert tiled.asked == 0


@pytest.mark.parametrize("suffix", ["", "/", "/log", "/log/"])
async def test_an_audit_over_http_finds_the_log_sound(reader: MemoryReader, suffix: str) -> None:
    async with served(reader) as url:
        report = await audit(url + suffix)
    assert report.problems == ()
    assert (report.size, report.checkpoints, report.root) == (600, 5, root_of(LEAVES))
    assert reader.readings == [(0, 256), (256, 512), (512, 600)]


class Growing(MemoryReader):
    """Logs each reading of itself, as the gateway does."""

    async def record_reading(self, start: int, end: int) -> None:
        await super().record_reading(start, end)
        self.all.append(ENTRIES[1])
        self.tree.append(leaf_hash(ENTRIES[1]))
        root = self.tree.root()
        self.notes.append(sign_checkpoint(KEY, size=self.tree.size, root=root))


async def test_an_audit_sees_one_moment_though_it_makes_the_log_grow() -> None:
    reader = Growing(ENTRIES, SIZES)
    async with served(reader) as url:
        report = await audit(url)
    assert report.problems == ()
    assert report.size == 600
    assert parse_checkpoint(reader.notes[-1]).size == 603


class Lying(MemoryReader):
    """Serves something else in one place."""

    def __init__(self, what: str) -> None:
        super().__init__(ENTRIES, SIZES)
        self.what = what

    async def entries(self, start: int, end: int) -> list[bytes]:
        found = list(await super().entries(start, end))
        if start == 256 and self.what == "entry":
            found[4] = ENTRIES[1]
        return found[:-3] if start == 256 and self.what == "cut" else found

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        found = await super().leaf_hashes(start, end)
        if start == 256 and self.what == "leaf":
            found[7] = bytes(32)
        return found

    async def checkpoints(self) -> list[str]:
        if self.what == "checkpoint":
            return [*self.notes[:2], sign_checkpoint(KEY, size=256, root=bytes(32))]
        return self.notes[:-1] if self.what == "short" else self.notes


@pytest.mark.parametrize(
    ("what", "code", "index"),
    [
        ("entry", "leaf-mismatch", 260),
        ("leaf", "leaf-mismatch", 263),
        ("cut", "entry-missing", 509),
        ("checkpoint", "root-mismatch", 3),
        ("short", "entry-unsigned", 300),
    ],
)
async def test_an_audit_over_http_names_a_lie(what: str, code: str, index: int) -> None:
    async with served(Lying(what)) as url:
        report = await audit(url)
    assert (report.problems[0].code, report.problems[0].index) == (code, index)


def answering(**answers: web.Response | bytes) -> web.Application:
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        found = answers.get(request.path.removeprefix("/log/").replace("/", "_"))
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found) if isinstance(found, bytes) else found

    app.router.add_get("/log/{path:.*}", answer)
    return app


async def cannot_read(app: web.Application) -> str:
    async with running(app) as url:
        with pytest.raises(CannotRead) as caught:
            await audit(url)
    return caught.value.code


async def test_what_is_no_log_or_too_much_of_one_cannot_be_read() -> None:
    note = MemoryReader(ENTRIES, [300]).notes[0].encode()
    moved = web.Response(status=302, headers={"Location": "http://192.0.2.1/log/checkpoint"})
    listed = json.dumps(note.decode()).encode() + b"\n"
    vkey = KEY.verifier.encode()
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "refused"),
        ({"checkpoint": moved}, "redirect"),
        ({"checkpoint": b"x" * 140_000}, "too-long"),
        ({"checkpoint": b"\xff\xfe"}, "not-utf8"),
        ({"checkpoint": note, "checkpoints": b"x" * 1_100_000}, "too-long"),
        ({"checkpoint": note, "checkpoints": listed}, "refused"),
        ({"checkpoint": note, "checkpoints": listed, "vkey": vkey}, "refused"),
        (
            {
                "checkpoint": note,
                "checkpoints": listed,
                "vkey": vkey,
                "tile_entries_000": bytes(256 * 65_537 + 1),
            },
            "too-long",
        ),
    ]
    for answers, code in cases:
        assert await cannot_read(answering(**answers)) == code


async def test_rubbish_for_checkpoints_is_a_bad_log() -> None:
    app = answering(vkey=KEY.verifier.encode(), checkpoint=b"rubbish", checkpoints=b"[]\n{\n1\n")
    async with running(app) as url:
        report = await audit(url)
    assert report.problems[0].code == "checkpoint-malformed"
    assert report.problems[-1].code == "checkpoint-missing"


async def test_a_server_that_is_not_there_cannot_be_read(unused_tcp_port: int) -> None:
    with pytest.raises(CannotRead, match="unreachable"):
        await audit(f"http://127.0.0.1:{unused_tcp_port}")


@pytest.mark.parametrize("url", ["file:///etc", "ftp://h/", "http://", "h", "http://h/?q", ""])
def test_only_a_plain_web_address_is_one(url: str) -> None:
    with pytest.raises(CannotRead, match="not-a-url"):
        UrlSource(url)


async def test_a_name_in_the_log_is_as_tlog_tiles_spells_it(reader: MemoryReader) -> None:
    assert tile_path(None, 2, 88) == "entries/002.p/88"
