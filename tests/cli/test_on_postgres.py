"""An instance on PostgreSQL, from `init` to an auditor's question, by its users' commands."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from gateway.channels.simulator import HOST
from gateway.config import Config, load_config
from gateway.console.pages import every
from gateway.demo.cast import AREA
from gateway.store import outbox
from gateway.store.place import PostgresPlace, place_of
from keys import hpke
from keys.providers.secret_file import read_secret
from keys.signing import SigningKey
from tests import canaries
from tests.console.passing import enrolled, enters, visited
from tests.gateway_in_process import Gateway, planned_release, serving
from tests.support.command_line import Done, throughgate
from tests.support.postgres import fresh_database

RECIPIENTS = f"""
[[recipient]]
id = "police-ppu"
organisation = "Exampleshire Police"
organisation_class = "police"
role = "police_offender_manager"
areas = ["{AREA}"]
[[recipient.endpoint]]
channel = "webhook"
address = "https://{HOST}/accepted"
key = "KEY"
key_confirmed_by = "DPO-1"
"""


@pytest.fixture
def database() -> Iterator[str]:
    with fresh_database(empty=True) as url:
        yield url


class Desk:
    """An instance and its operator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "throughgate.toml"

    @property
    def config(self) -> Config:
        return load_config(self.file)

    async def does(self, *words: object, code: int = 0) -> Done:
        done = await throughgate(*words, "--config", self.file)
        assert done.code == code, (words, done.out, done.err)
        return done


async def founded(folder: Path, database: str) -> Desk:
    made = await throughgate("init", folder, "--name", "example/pg", "--postgres", database)
    assert made.code == 0, made.err
    desk = Desk(folder)
    text = desk.file.read_text().replace(
        "[webhook]\n", "[simulator]\nenabled = true\n\n[webhook]\n"
    )
    desk.file.write_text(text)
    key = folder / "prison.key"
    await desk.does(
        "agencies", "add", "hmp-exampleton", "--urn", "urn:example:hmp-exampleton",
        "--class", "prison", "--new-key", key,
    )  # fmt: skip
    told = folder / "recipients.toml"
    told.write_text(RECIPIENTS.replace("KEY", hpke.generate()[1]))
    await desk.does("recipients", "import", told, "--without-asking")
    return desk


async def settled(config: Config) -> None:
    with closing(place_of(config).open_reader()) as reader:
        async with asyncio.timeout(15):
            while outbox.counts(reader).get("accepted", 0) == 0:  # noqa: ASYNC110 - the gateway decides when
                await asyncio.sleep(0.05)


async def test_an_instance_lives_on_postgres(tmp_path: Path, database: str) -> None:
    desk = await founded(tmp_path / "i", database)
    assert isinstance(place_of(desk.config), PostgresPlace)
    assert not (desk.folder / "throughgate.db").exists()
    key = SigningKey.parse(read_secret(desk.folder / "prison.key"))
    async with serving(desk.folder, desk.config, key) as served:
        event = tmp_path / "event.json"
        event.write_bytes(orjson.dumps(planned_release()))
        posted = await throughgate(
            "post", event, "--as", "hmp-exampleton", "--key", desk.folder / "prison.key",
            "--url", served.url,
        )  # fmt: skip
        assert posted.code == 0, posted.out + posted.err
        await settled(desk.config)
        await asks(desk)
        await looks(served)
    assert "ok: 1 of 1 alert proofs" in (await desk.does("log", "verify")).out


async def asks(desk: Desk) -> None:
    """Ask what an operator and an auditor ask, beside the gateway."""
    (listed,) = (await desk.does("alerts", "list", "--json")).json
    shown = (await desk.does("alerts", "show", listed["alert"], "--json")).json
    assert {one["op"] for one in shown["story"]} >= {"disclosure", "attempt"}
    told = await desk.does(
        "audit", "told", "police-ppu", f"noms={canaries.NOMS}", "--by", "dpo-01", "--why", "asked"
    )
    assert "was sent 1 " in told.out
    examined = (await throughgate("doctor", "--json", "--all", "--config", desk.file)).json
    assert not [one for one in examined if one["verdict"] == "unknown"], examined
    assert (await desk.does("migrate", "status")).out.startswith("PostgreSQL at 127.0.0.1:")
    assert (
        "exported" in (await desk.does("log", "export", "--out", desk.folder / "out")).out.lower()
    )


async def looks(served: Gateway) -> None:
    """Open every page of the console that has an address of its own."""
    async with visited(served) as visiting:
        for number, role in enumerate(("dpo", "operator", "coordinator"), 1):
            device = await enrolled(visiting, role, number=number)
            client = visiting.client()
            assert (await enters(client, device)).to == "/console"
            pages = [
                one.path
                for one in every.routes(visiting.own)
                if one.get is not None and role in one.roles and "{" not in one.path
            ]
            assert pages
            found = {path: (await client.get(path)).status for path in pages}
            assert max(found.values()) < 500, found
            assert sum(status == 200 for status in found.values()) > len(found) / 2, found
