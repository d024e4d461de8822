"""The stage: a temporary instance, the servers around it, and the gateway as its own process."""

import asyncio
import contextlib
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import orjson

from gateway.cli.exits import Trouble
from gateway.config import Config
from gateway.demo.auditing import POLICY_NAME, make_witness, witness_running
from gateway.demo.cast import (
    WEBHOOK_RECIPIENTS,
    Poster,
    Reader,
    mailbox,
    make_posters,
    make_readers,
)
from gateway.demo.messages import RELEASE_BOARD, RELEASE_BOARD_MAPPING
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.mail import MailServer
from gateway.demo.servers.notify import NotifyServer
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.instance import CONFIG_NAME, create
from gateway.registration import register_agency, register_recipients
from keys.providers.secret_file import write_secret

NAME = "throughgate.example/demo"
PUBLIC_URL = "https://alerts.throughgate.example"
TEMPLATE_ID = "f33517ff-2a88-4f6e-b855-c550268ce08a"
_READY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything the story plays on."""

    folder: Path
    config: Config
    url: str
    posters: Mapping[str, Poster]
    readers: Mapping[str, Reader]
    mail: MailServer
    hooks: Mapping[str, WebhookReceiver]
    notify: NotifyServer
    witness_port: int


@contextlib.asynccontextmanager
async def set_up(folder: Path) -> AsyncIterator[Stage]:
    """Make the instance, start every server, and yield the stage before the gateway runs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = make_certificates(folder)
    api_key = f"demo-{uuid.uuid4()}-{uuid.uuid4()}"
    async with contextlib.AsyncExitStack() as servers:
        mail = await servers.enter_async_context(MailServer(certificates, security="starttls"))
        notify = await servers.enter_async_context(
            NotifyServer(certificates, api_key=api_key, template_id=TEMPLATE_ID)
        )
        hooks = {
            name: await servers.enter_async_context(WebhookReceiver(certificates))
            for name in WEBHOOK_RECIPIENTS
        }
        port, witness_port = _free_port(), _free_port()
        make_witness(folder, witness_port)
        config = await create(folder, name=NAME, sections=_sections(port, mail, notify))
        write_secret(folder / "keys" / "notify-api-key", api_key)
        (folder / f"{RELEASE_BOARD}.toml").write_text(RELEASE_BOARD_MAPPING, "utf-8")
        posters = make_posters()
        readers = make_readers({name: hook.url for name, hook in hooks.items()})
        for poster in posters.values():
            await register_agency(config, poster.agency)
        await register_recipients(config, [reader.recipient for reader in readers.values()])
        _give_out_keys(folder, posters, readers)
        yield Stage(
            folder=folder,
            config=config,
            url=f"http://127.0.0.1:{port}",
            posters=posters,
            readers=readers,
            mail=mail,
            hooks=hooks,
            notify=notify,
            witness_port=witness_port,
        )


@contextlib.asynccontextmanager
async def gateway_running(stage: Stage) -> AsyncIterator[None]:
    """Run the gateway and a witness, each a process of its own, until the block ends.

    Raises:
        Trouble: it does not become ready.
    """
    async with contextlib.AsyncExitStack() as running:
        await running.enter_async_context(witness_running(stage.config, stage.witness_port))
        log = running.enter_context((stage.folder / "gateway.log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(stage.folder / CONFIG_NAME),
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await _ready(stage, process)
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def _ready(stage: Stage, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_S):
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{stage.url}/health/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise Trouble(f"the gateway did not start; see {stage.folder / 'gateway.log'}", 1)


def _sections(port: int, mail: MailServer, notify: NotifyServer) -> str:
    notify_url = notify.url.rstrip("/")
    return f"""\
public_url = "{PUBLIC_URL}"  # what the world knows it by: a proxy with a certificate would be there

[http]
host = "127.0.0.1"
port = {port}

[webhook]
ca_file = "ca.pem"
allowed_networks = ["127.0.0.1/32"]  # the demonstration's receivers are on this machine

[email]
host = "localhost"
port = {mail.port}
security = "starttls"
sender = "alerts@throughgate.example"
hostname = "throughgate.example"
ca_file = "ca.pem"

[sms]
base_url = "{notify_url}"
api_key_file = "keys/notify-api-key"
template_id = "{TEMPLATE_ID}"
ca_file = "ca.pem"

[delivery]
ladder_s = [1, 2, 5]

[witness]
policy = "{POLICY_NAME}"
every_s = 0.2

[[table]]
name = "{RELEASE_BOARD}"
mapping = "{RELEASE_BOARD}.toml"
"""


async def collect_long(stage: Stage) -> None:
    """Fetch, as each recipient's system would, the alerts that were too long to be posted whole."""
    async with aiohttp.ClientSession() as session:
        for hook in stage.hooks.values():
            for number, one in enumerate(hook.received):
                told = orjson.loads(one.body)["data"].get("collect")
                if told is not None:
                    async with session.get(told["url"].replace(PUBLIC_URL, stage.url)) as response:
                        hook.received[number] = replace(one, collected=await response.read())


def keep_received(stage: Stage) -> None:
    """Write what reached each recipient, as it came, so that `open` can be tried on it."""
    received = stage.folder / "received"
    received.mkdir(mode=0o700)
    for name in stage.readers:
        for number, (blob, suffix) in enumerate(messages_of(stage, name), 1):
            (received / f"{name}-{number}.{suffix}").write_bytes(blob)


def messages_of(stage: Stage, name: str) -> list[tuple[bytes, str]]:
    """Return the webhook bodies and mails that reached a recipient, each with a file suffix."""
    if name in stage.hooks:
        return [(one.collected or one.body, "json") for one in stage.hooks[name].received]
    address = mailbox(name)
    return [(one.content, "eml") for one in stage.mail.messages if address in one.recipients]


def _give_out_keys(
    folder: Path, posters: Mapping[str, Poster], readers: Mapping[str, Reader]
) -> None:
    """Write every private key where `post` and `open` can use it, as its owner would hold it."""
    private = folder / "private-keys"
    private.mkdir(mode=0o700)
    for name, poster in posters.items():
        write_secret(private / f"{name}.key", poster.key.secret_text)
    for name, reader in readers.items():
        if reader.private:
            write_secret(private / f"{name}.key", reader.private.decode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
