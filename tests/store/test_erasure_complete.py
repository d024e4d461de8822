"""After an erasure: no page, table, tile, backup or export made since yields the person, in the
clear or sealed; every proof made before and since verifies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.audit.findings import Auditor
from gateway.cli.approvals_commands import approvals
from gateway.cli.audit_commands import audit
from gateway.cli.keys_commands import keys
from gateway.cli.log_commands import log
from gateway.cli.person_commands import person
from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.instance import VKEY_NAME
from gateway.store import sqlite
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release, police
from tests.store.stores import column

WHY = ("--by", "dpo-01", "--reason", f"because of {canaries.NAME}")


async def run(served: Gateway, group: typer.Typer, *words: str) -> Result:
    """Run a command beside the serving gateway; whatever it prints holds no mark of the person."""
    config = ["--config", str(served.folder / "throughgate.toml")]
    done = await asyncio.to_thread(lambda: CliRunner().invoke(group, [*words, *config]))
    assert canaries.found_in(done.output) == []
    return done


@contextlib.asynccontextmanager
async def told(folder: Path) -> AsyncIterator[tuple[Gateway, str]]:
    """Serve an instance that told the police of one person; yield it and their reference."""
    async with gateway(folder, recipients=[police()[0]]) as served:
        assert (await served.post(planned_release()))[0] == 202
        async with asyncio.timeout(20):
            while not served.entries("disclosure"):  # noqa: ASYNC110 - another loop makes it
                await asyncio.sleep(0.05)
        (known,) = {one["person"] for one in served.entries("collection")}
        yield served, str(known)


def sealed_of(database: Path, ref: str) -> list[bytes]:
    """Return whatever is held of a person: sealed, wrapped, or a digest they are found by."""
    statements = (
        "SELECT sealed FROM event WHERE person = ?",
        "SELECT facts FROM person WHERE ref = ?",
        "SELECT wrapped_key FROM person WHERE ref = ?",
        "SELECT mac FROM person_identifier WHERE person = ?",
        "SELECT mac FROM person_likeness WHERE person = ?",
        "SELECT sealed FROM justification WHERE person = ?",
        "SELECT held FROM alert WHERE person = ?",
        "SELECT sealed FROM outbox WHERE person = ?",
    )
    reader = sqlite.open_reader(database)
    try:
        found: list[Any] = [
            value for one in statements for (value,) in reader.execute(one, (ref,)) if value
        ]
        assert len(found) >= len(statements) - 1
    finally:
        reader.close()
    return [bytes(one) for one in found]


def proofs_hold(served: Gateway, kept: list[tuple[int, str, bytes]]) -> bool:
    vkey = VerifierKey.parse((served.folder / VKEY_NAME).read_text().split("\n")[0])
    for index, text, entry in kept:
        assert proof.verify(text, entry=entry, verifiers=[vkey]).index == index
    return bool(kept)


def alert_proofs(served: Gateway) -> Iterator[tuple[int, str, bytes]]:
    reader = sqlite.open_reader(served.config.path(served.config.instance.database))
    try:
        rows = reader.execute(
            "SELECT leaf_index, proof, body FROM outbox JOIN log_entry ON idx = leaf_index"
        ).fetchall()
        for index, text, body in rows:
            yield int(str(index)), str(text), bytes(body)  # type: ignore[arg-type]
    finally:
        reader.close()


def back_up(database: Path, copy: Path) -> None:
    """Copy a database as an operator does, while it serves."""
    source = sqlite.open_reader(database)
    target = apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step()
    target.close()
    source.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the PDF renderer's own libraries
async def test_nothing_made_after_an_erasure_yields_the_person(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        database = served.config.path(served.config.instance.database)
        assert (await run(served, person, "show", ref, *WHY)).exit_code == 0
        before, held = list(alert_proofs(served)), sealed_of(database, ref)
        size = len(column(database, "SELECT idx FROM log_entry"))
        proposed = await run(
            served, keys, "erase-person", ref, "--by", "dpo-01", "--reason", "art-17", "--json"
        )
        id_ = orjson.loads(proposed.stdout)["approval"]
        done = await run(served, approvals, "approve", id_, "--by", "dpo-02")
        assert done.exit_code == 0, done.output

        made = tmp_path / "made"
        made.mkdir()
        back_up(database, made / "backup.db")
        assert (await run(served, log, "export", "--out", str(made / "bundle"))).exit_code == 0
        asked = await run(
            served, audit, "who-knows", ref, "--by", "dpo-01", "--why", "a complaint", "--csv"
        )
        (made / "who-knows.csv").write_text(asked.output)
        for name, group, words in (
            ("record", person, ("show", f"noms={canaries.NOMS}", *WHY)),
            ("record-by-reference", person, ("show", ref, *WHY)),
            ("tasks", person, ("tasks", "--by", "dpo-01")),
        ):
            (made / f"{name}.txt").write_text((await run(served, group, *words)).output)
        assert "nobody known" in (made / "record.txt").read_text()
        assert "nobody known" in (made / "record-by-reference.txt").read_text()

        files = [*made.rglob("*"), *(tmp_path / "i").glob("throughgate.db*")]
        content = b"".join(file.read_bytes() for file in files if file.is_file())
        assert [mark for mark in canaries.MARKS if mark.encode() in content] == []
        assert [one for one in held if one in content or one[16:48] in content] == []
        for table in ("person_identifier", "person_likeness", "duty"):
            assert column(database, f"SELECT count(*) FROM {table}") == [0]
        assert column(made / "backup.db", "SELECT length(wrapped_key) FROM person") == [0]

        assert proofs_hold(served, before)
        assert proofs_hold(served, list(alert_proofs(served)))
        vkey = (served.folder / VKEY_NAME).read_text().split("\n")[0]
        with Auditor.open(database, vkey) as auditor:
            assert auditor.size > size
            bodies = column(database, "SELECT body FROM log_entry ORDER BY idx")
            since = [(at, auditor.prove(at), bodies[at]) for at in range(auditor.size)]
        assert proofs_hold(served, since)
        assert (await run(served, log, "verify")).exit_code == 0
        erased = served.entries("erasure")
        assert [(one["person"], one["actor"]) for one in erased] == [(ref, "dpo-02")]
