"""Proofs against witnessed checkpoints: at any size, over HTTP, in alerts, and for recipients."""

import html
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import apsw
import pytest
from aiohttp import web

from gateway.cli import light
from gateway.delivery.proofs import with_witnessed_proofs
from gateway.delivery.terms import as_it_is
from gateway.disclosure_log import merkle, proof
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.cosignature import CosigningKey
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.note import parse_note
from gateway.disclosure_log.tree import Tree
from gateway.disclosure_log.trust_policy import TrustPolicy
from gateway.http.witnessed import routes
from gateway.model.ids import EndpointId
from gateway.model.outcome import Deferred
from gateway.store import outbox, sqlite, witnessed
from gateway.store.log_paths import LogPaths, paths_of
from gateway.store.outbox import OutboxRow
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from tests.disclosure_log import independent
from tests.disclosure_log.serving import running
from tests.gateway.tellings import scene
from tests.gateway_in_process import planned_release
from tests.http.pick_up_stage import stage
from tests.store.stores import LOG_KEY, NOW, body, column, entries, logging, opened
from tests.witness.stage import AT

WITNESS = CosigningKey.generate("witness.example/1", "ml-dsa-44")
POLICY = TrustPolicy.parse(f"witness w {WITNESS.public_key}\nquorum w\n")


def cosigned(note: str) -> str:
    return note + WITNESS.cosign(parse_note(note).text, at=int(AT.timestamp()))


async def witness_newest(store: Store) -> int:
    note = cosigned(store.latest_checkpoint() or "")
    await store.commit(witnessed.put(note, NOW))
    return parse_checkpoint(note).size


async def test_paths_at_every_size_are_those_of_a_second_opinion(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    async with opened(path) as store:
        await store.commit(logging(*(body() for _ in range(600))))
    leaves = [leaf_hash(one) for one in entries(path)]
    with closing(sqlite.open_reader(path)) as reader:
        paths = LogPaths(reader)
        for size in (1, 2, 3, 255, 256, 257, 511, 512, 513, 599, 600):
            assert paths.root(size) == independent.tree_head(leaves[:size])
            for index in {0, size // 3, size - 1}:
                assert paths.inclusion(index, size) == independent.audit_path(index, leaves[:size])
            for old in {1, size // 2 or 1, max(1, size - 1)}:
                expected = independent.consistency_proof(old, leaves[:size])
                assert paths.consistency(old, size) == expected
        assert paths.root(0) == merkle.EMPTY_ROOT
        for call in (lambda: paths.root(601), lambda: paths.inclusion(0, 601)):
            with pytest.raises(StoreUnavailable):
                call()


def test_paths_past_two_levels_of_tiles_are_those_of_the_tree() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE log_entry (idx INTEGER PRIMARY KEY, leaf BLOB, body BLOB);"
                       "CREATE TABLE log_tile (level, idx, hashes)")  # fmt: skip
    size = 256 * 256 + 3 * 256 + 17
    stored: dict[tuple[int, int], bytes] = {}
    tree = Tree(lambda level, index: stored[level, index])
    leaves = [number.to_bytes(32, "big") for number in range(size)]
    for leaf in leaves:
        tree.append(leaf)
        if tree.size % 256 == 0:
            stored |= {(level, index): tile for level, index, tile in tree.take_full_tiles()}
    with connection:
        connection.executemany("INSERT INTO log_entry VALUES (?, ?, x'')", enumerate(leaves))
        connection.executemany(
            "INSERT INTO log_tile VALUES (?, ?, ?)", [(*at, tile) for at, tile in stored.items()]
        )
    paths = LogPaths(connection)
    for at in (size, 256 * 256, 256 * 255 + 9):
        for index in (0, 255, 256, 40_000, at - 1):
            assert paths.inclusion(index, at) == tree.inclusion_path(index, at)
        for old in (1, 255, 256, 40_000, at - 1):
            assert paths.consistency(old, at) == tree.consistency_path(old, at)
    assert paths.root(size) == tree.root()


def test_what_was_learnt_of_a_connection_goes_with_it() -> None:
    connection = apsw.Connection(":memory:")
    first = paths_of(connection)
    assert paths_of(connection) is first
    connection.close()
    del connection
    with pytest.raises(StoreUnavailable):
        first.root(1)


async def test_the_newest_thousand_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    async with opened(path) as store:
        assert witnessed.newest(store.reader) is None
        for _ in range(3):
            await store.commit(logging(body()))
            size = await witness_newest(store)
        assert (witnessed.newest(store.reader) or (0,))[0] == size == 3
        assert witnessed.witnessed_at(store.reader, 3) == NOW
        assert witnessed.witnessed_at(store.reader, 2) == NOW
        assert witnessed.covering(store.reader, 2) is not None
        assert witnessed.covering(store.reader, 3) is None
        await store.commit(logging(body()))
        newest = cosigned(store.latest_checkpoint() or "")
        await store.commit(witnessed.put(newest, NOW, keep=2))
    assert column(path, "SELECT size FROM log_witnessed ORDER BY size") == [3, 4]
    assert len(entries(path)) == 4  # and none of them is about witnessing


async def test_a_proof_is_against_what_was_witnessed_if_that_covers_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "throughgate.db") as store:
        logged = [body() for _ in range(5)]
        await store.commit(logging(*logged[:3]))
        text = witnessed.prove(store.reader, 1) or ""
        plain = proof.verify(text, entry=logged[1], verifiers=[LOG_KEY.verifier_key])
        await witness_newest(store)
        await store.commit(logging(*logged[3:]))
        for index, size in ((0, 3), (2, 3), (3, 5), (4, 5)):
            text = witnessed.prove(store.reader, index) or ""
            policy = POLICY if index < 3 else None
            found = proof.verify(
                text, entry=logged[index], verifiers=[LOG_KEY.verifier_key], policy=policy
            )
            assert (found.index, parse_checkpoint(found.checkpoint).size) == (index, size)
        assert witnessed.prove(store.reader, 5) is None
        kept = proof.render(index=1, path=plain.path, checkpoint=plain.checkpoint)
        assert witnessed.better(store.reader, "no proof") == "no proof"
        better = witnessed.better(store.reader, kept)
        assert better == witnessed.prove(store.reader, 1) != kept


async def test_over_http_anyone_may_have_both(tmp_path: Path) -> None:
    async with opened(tmp_path / "throughgate.db") as store:
        app = web.Application()
        app.add_routes(routes(store.reader))
        async with running(app) as url, aiohttp.ClientSession() as session:

            async def got(path: str) -> tuple[int, str]:
                async with session.get(url + path) as answer:
                    return answer.status, await answer.text()

            assert (await got("/log/witnessed"))[0] == 404
            assert (await got("/log/proof/0"))[0] == 404
            logged = body()
            await store.commit(logging(logged))
            assert (await got("/log/witnessed"))[0] == 404
            status, text = await got("/log/proof/0")
            assert status == 200
            assert proof.verify(text, entry=logged, verifiers=[LOG_KEY.verifier_key]).index == 0
            await witness_newest(store)
            status, note = await got("/log/witnessed")
            assert (status, POLICY.satisfied(note, log_keys=[LOG_KEY.verifier_key])) == (200, True)
            assert (await got("/log/proof/0"))[1].endswith(note)
            for wrong in ("1", "-1", "00", "x", "9" * 30, "\u0663"):
                assert (await got(f"/log/proof/{wrong}"))[0] == 404


async def test_what_waits_leaves_with_the_witnesses_word_as_soon_as_there_is_one(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, away=("police",)) as it:
        await it.post_only(planned_release())
        while not it.hooks["police"].received:
            await it.moment()
        database = it.gateway.config.path(it.gateway.config.instance.database)
        with closing(apsw.Connection(str(database))) as connection:
            [(note,)] = connection.execute(
                "SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1"
            )
            alert, index, plain = connection.execute(
                "SELECT alert, leaf_index, proof FROM outbox"
                " WHERE endpoint = 'police/webhook' AND state = 'pending'"
            ).fetchone()
            prepare = with_witnessed_proofs(as_it_is, connection)
            [row] = outbox.load(connection, [(alert, EndpointId("police/webhook"))])
            assert await prepare(row) == row
            connection.set_busy_timeout(10_000)
            connection.execute(
                "INSERT INTO log_witnessed VALUES (?, ?, 0)",
                (parse_checkpoint(note).size, cosigned(note)),
            )
            fit = await prepare(row)
            assert isinstance(fit, OutboxRow)
            assert fit.proof != plain
            entry = connection.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).get
            vkey = (it.gateway.folder / "log.vkey").read_text()
            files = {"proof": fit.proof.encode(), "entry": entry, "vkey": vkey.encode(),
                     "policy": f"witness w {WITNESS.public_key}\nquorum w\n".encode(),
                     "plain": plain.encode()}  # fmt: skip

        async def never(_row: OutboxRow) -> OutboxRow | Deferred:
            return Deferred(reason="away")

        assert await with_witnessed_proofs(never, connection)(row) == Deferred(reason="away")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert verified(tmp_path, "proof", policy=True) == 0
    assert verified(tmp_path, "plain", policy=False) == 0
    assert verified(tmp_path, "plain", policy=True) == 1


async def test_what_is_read_at_a_pick_up_page_shows_that_it_was_witnessed(tmp_path: Path) -> None:
    async with stage(tmp_path) as staged:
        await staged.enrol()
        first, second = await staged.alert(), await staged.alert()
        page = (await staged.post(staged.path(first), code=staged.code()))[1]
        assert WITNESS.name not in page
        note = cosigned(staged.store.latest_checkpoint() or "")
        await staged.store.commit(witnessed.put(note, NOW))
        staged.now.ahead += timedelta(seconds=60)  # a code not used before
        page = (await staged.post(staged.path(second), code=staged.code()))[1]
        assert html.escape(note).strip() in page


def verified(folder: Path, name: str, *, policy: bool) -> int:
    arguments = ["verify", "proof", str(folder / name), "--entry", str(folder / "entry")]
    arguments += ["--vkey", str(folder / "vkey")]
    if policy:
        arguments += ["--policy", str(folder / "policy")]
    assert light.takes(arguments)
    return light.run(arguments)


def test_a_recipient_checks_a_proof_with_the_base_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = b"entry"
    note = LOG_KEY.sign(f"{LOG_KEY.origin}\n1\n{_b64(leaf_hash(entry))}\n")
    (tmp_path / "entry").write_bytes(entry)
    (tmp_path / "vkey").write_text(LOG_KEY.verifier)
    (tmp_path / "policy").write_text(f"witness w {WITNESS.public_key}\nquorum w\n")
    (tmp_path / "plain").write_text(proof.render(index=0, path=[], checkpoint=note))
    (tmp_path / "seen").write_text(proof.render(index=0, path=[], checkpoint=cosigned(note)))
    (tmp_path / "noise").write_bytes(b"\xff\xfe")
    for name, policy, code, said in (
        ("plain", False, 0, "ok: entry 0 of a log of 1 entries; no witness was asked for"),
        ("seen", True, 0, "ok: entry 0 of a log of 1 entries, witnessed by w"),
        ("plain", True, 1, "not verified: no-quorum"),
        ("noise", True, 1, "not verified: not-utf8"),
        ("entry", False, 1, "not verified: malformed"),
    ):
        assert verified(tmp_path, name, policy=policy) == code
        assert capsys.readouterr().out == said + "\n"
    plain, named = str(tmp_path / "plain"), ["--entry", str(tmp_path / "entry")]
    for more in ([], ["--vkey", "a+b+c"], ["--policy", plain], ["--vkey", str(tmp_path / "no")]):
        assert light.run(["verify", "proof", plain, *named, *more]) == 2


def _b64(octets: bytes) -> str:
    import base64

    return base64.b64encode(octets).decode()
