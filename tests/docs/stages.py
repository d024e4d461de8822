"""What is there already when a page begins: a served instance, or what a recipient was sent."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson

from gateway import clock
from gateway.cli.post import send
from gateway.demo.cast import mailbox
from gateway.demo.events import story
from gateway.demo.stage import Stage, gateway_running, set_up
from gateway.demo.story import settled
from gateway.instance import VKEY_NAME
from keys.signing import SigningKey

StageOf = Callable[[Path], AbstractAsyncContextManager[int | None]]  # yields the gateway's port


@contextlib.asynccontextmanager
async def nothing(_folder: Path) -> AsyncIterator[int | None]:
    """An empty folder."""
    yield None


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[int | None]:
    """An instance in ``instance``, served, with the demonstration's recipients and no event."""
    async with set_up(folder / "instance") as stage, gateway_running(stage):
        yield urlsplit(stage.url).port


@contextlib.asynccontextmanager
async def told(folder: Path) -> AsyncIterator[int | None]:
    """The demonstration, played and still served; beside it what its recipients were sent."""
    async with set_up(folder / "instance") as stage, gateway_running(stage):
        async with aiohttp.ClientSession() as http:
            for step in story(clock.now()):
                poster = stage.posters[step.agency]
                status, _ = await send(
                    http, stage.url, poster.agency.name, poster.key, step.body, adapter=step.adapter
                )
                assert status == 202
                await settled(stage)
        _hand_out(stage, folder)
        yield urlsplit(stage.url).port


def _hand_out(stage: Stage, folder: Path) -> None:
    """Write what the community mental health team and the MAPPA coordinator have."""
    hook = stage.hooks["cmht"].received[-1]
    (folder / "body.json").write_bytes(hook.body)
    (folder / "headers.json").write_bytes(orjson.dumps(dict(hook.headers)))
    (folder / "cmht.key").write_bytes(stage.readers["cmht"].private or b"")
    mail = next(one for one in stage.mail.messages if mailbox("mappa") in one.recipients)
    (folder / "alert.eml").write_bytes(mail.content)
    (folder / "mappa.pem").write_bytes(stage.readers["mappa"].private or b"")
    keys = stage.folder / "keys"
    public = SigningKey.parse((keys / "signing-key").read_text().strip()).public_text
    (folder / "gateway.pub").write_text(public)
    (folder / VKEY_NAME).write_text((stage.folder / VKEY_NAME).read_text())
    (folder / "mail-certificate.pem").write_bytes((keys / "mail-certificate.pem").read_bytes())
