"""A witness over HTTP: status, types and bounds, exactly as the specification has them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import apsw
import orjson
import pytest
import trustme

from gateway.disclosure_log.checkpoint import verify_checkpoint
from gateway.disclosure_log.note import merge, open_note, parse_signatures
from gateway.witness.request import MAX_BODY, origin_hash
from gateway.witness.server import Listening, served
from gateway.witness.witness import DATABASE, Witness
from tests.witness.stage import Log, keys_of, made, now, serving

LOG = Log(20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path / "witness", LOG).close()
    return tmp_path / "witness"


@pytest.fixture
async def url(folder: Path) -> AsyncIterator[str]:
    async with serving(folder) as where:
        yield where


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made_here:
        yield made_here


async def test_a_checkpoint_is_cosigned_and_then_served_to_monitors(
    url: str, folder: Path, session: aiohttp.ClientSession
) -> None:
    where = f"{url}/{origin_hash(LOG.key.origin)}/checkpoint"
    async with session.get(where) as answer:
        assert answer.status == 404
    async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, 9)) as answer:
        assert answer.status == 200
        lines = await answer.text()
    assert lines.startswith("\u2014 ")
    assert lines.endswith("\n")
    signers = open_note(merge(LOG.note(9), parse_signatures(lines)), keys_of(folder))[1]
    assert len(signers) == 2
    async with session.get(where) as answer:
        assert answer.status == 200
        note = await answer.text()
    assert verify_checkpoint(note, [LOG.key.verifier_key, *keys_of(folder)]).size == 9
    assert set(parse_signatures(lines)) <= set(parse_signatures(note.rpartition("\n\n")[2]))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nothing", 400),
        (b"old 9\n\n" + LOG.note(8).encode(), 400),
        (Log(3, origin=LOG.key.origin).request(0, 3), 403),
        (Log(3, origin="log.example.org/stranger").request(0, 3), 404),
        (LOG.request(3, 4), 409),
        (b"old 0\n" + b"A" * 43 + b"=\n\n" + LOG.note(8).encode(), 422),
        (b"x" * (MAX_BODY + 1), 413),
    ],
    ids=["400", "400-old", "403", "404", "409", "422", "413"],
)
async def test_each_refusal_has_its_status(
    url: str, session: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    async with session.post(f"{url}/add-checkpoint", data=body) as answer:
        assert answer.status == status
        said = await answer.read()
    if status == 409:
        assert answer.headers["Content-Type"] == "text/x.tlog.size"
        assert said == b"0\n"


async def test_health_says_how_many_logs_and_nothing_else_is_there(
    url: str, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{url}/health") as answer:
        assert orjson.loads(await answer.read()) == {"status": "ok", "logs": 1}
    for path in ("/", "/add-checkpoint", "/witness.db", "/ed25519.key", f"/{'A' * 64}/checkpoint"):
        async with session.get(url + path) as answer:
            assert answer.status in {404, 405}


async def test_a_bomb_is_not_unpacked(url: str, session: aiohttp.ClientSession) -> None:
    headers = {"Content-Encoding": "gzip"}
    body = LOG.request(0, 3)
    async with session.post(f"{url}/add-checkpoint", data=body, headers=headers) as answer:
        assert answer.status in {200, 400}  # read as it stands


async def test_many_at_once_are_one_after_another(
    url: str, folder: Path, session: aiohttp.ClientSession
) -> None:
    async def one(size: int) -> int:
        async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, size)) as answer:
            return answer.status

    statuses = await asyncio.gather(*(one(size) for size in range(1, 20)))
    assert sorted(statuses) == [200] + [409] * 18
    won = statuses.index(200) + 1
    with closing(Witness.open(folder, now)) as witness:
        latest = witness.state.latest(LOG.key.origin)
    assert latest is not None
    assert latest.size == won


async def test_while_the_state_is_locked_nothing_is_cosigned_and_reading_goes_on(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    broken: list[bool] = []
    with closing(Witness.open(folder, now)) as witness:
        witness.state._connection.set_busy_timeout(20)
        async with served(witness, Listening(port=0), lambda: broken.append(True)) as port:
            url = f"http://127.0.0.1:{port}"
            other = apsw.Connection(str(folder / DATABASE))
            other.execute("BEGIN IMMEDIATE")
            async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, 3)) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            async with session.get(f"{url}/health") as answer:
                assert answer.status == 200
            other.execute("ROLLBACK")
            other.close()
            async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, 3)) as answer:
                assert answer.status == 200
    assert broken == []


async def test_after_a_failed_write_nothing_more_is_cosigned(
    folder: Path, session: aiohttp.ClientSession
) -> None:
    broken: list[bool] = []
    with closing(Witness.open(folder, now)) as witness:
        witness.state._connection.execute(
            "CREATE TEMP TRIGGER fails BEFORE INSERT ON latest"
            " BEGIN SELECT RAISE(ROLLBACK, 'as a disk would'); END"
        )
        async with served(witness, Listening(port=0), lambda: broken.append(True)) as port:
            url = f"http://127.0.0.1:{port}"
            async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, 3)) as answer:
                assert answer.status == 503
            witness.state._connection.execute("DROP TRIGGER fails")
            async with session.post(f"{url}/add-checkpoint", data=LOG.request(0, 3)) as answer:
                assert answer.status == 503
    assert broken == [True, True]


async def test_over_tls(folder: Path, tmp_path: Path, session: aiohttp.ClientSession) -> None:
    authority = trustme.CA()
    identity = authority.issue_cert("localhost")
    identity.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    identity.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.configure_trust(context)
    listening = Listening(
        port=0, certificate=tmp_path / "certificate.pem", key=tmp_path / "key.pem"
    )
    with closing(Witness.open(folder, now)) as witness:
        async with served(witness, listening, lambda: None) as port:
            url = f"https://localhost:{port}/add-checkpoint"
            async with session.post(url, data=LOG.request(0, 3), ssl=context) as answer:
                assert answer.status == 200
