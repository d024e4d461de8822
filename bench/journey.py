"""The journey: the gateway itself, one process, everything on, one alert for each event."""

import asyncio
import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from bench.posts import poster
from bench.problem import NotMeasured
from bench.wire import HOST, free_port
from gateway import clock
from gateway.audit.findings import Auditor, Finding
from gateway.config import Config, load_config
from gateway.demo.cast import AREA
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.sources import StoreSource
from gateway.instance import CONFIG_NAME, VKEY_NAME, create
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import Endpoint, Recipient
from gateway.registration import register_agency, register_recipients
from gateway.store.place import place_of
from keys import hpke
from keys.problem import CannotOpen
from keys.seal import open_sealed, recipient_key
from keys.signing import SigningKey, generate_shared_secret

_READY_S: Final = 120.0
_CONFIG: Final = """\
[http]
port = {port}
undecided_bound = {undecided}
operator_port = 0

[webhook]
allow_plain_http = true
allowed_networks = ["127.0.0.1/32"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """The gateway, seen from outside, and the key its recipients open with."""

    folder: Path
    port: int
    pid: int
    private: str = field(repr=False)
    recipients: int = 1  # told of each event
    started_s: float = 0.0  # from the process's start until it was ready

    def alerts(self, *, posted: int) -> Mapping[str, str]:
        """Return the alert that each event led to (event reference -> alert), once all holds.

        Call it when the gateway has stopped.

        Raises:
            NotMeasured: an alert is missing, unproven or not accepted, or the log is not sound.
        """
        vkey = (self.folder / VKEY_NAME).read_text("utf-8").strip()
        place = place_of(load_config(self.folder / CONFIG_NAME))
        with Auditor.open(place, vkey) as auditor:
            findings = auditor.findings()
        _check(findings, posted * self.recipients)
        with contextlib.closing(
            StoreSource(place.open_reader(), self.folder / VKEY_NAME)
        ) as source:
            report = check_log(source, verifier=VerifierKey.parse(vkey))
        if report.verdict != "ok" or report.size < 3 * posted:
            raise NotMeasured("the disclosure log does not verify")
        return {str(found.entry["event"]): found.alert for found in findings}

    def check_webhook(self, webhook_id: str, body: bytes) -> None:
        """Open one webhook, or the alert of that id in a batch, as its recipient would.

        Raises:
            NotMeasured: it does not open, or does not hold the alert it is named for.
        """
        if body.startswith(b"["):
            named = [one for one in orjson.loads(body) if one["id"] == webhook_id]
            body = orjson.dumps(named[0]) if named else b""
        try:
            alert = orjson.loads(open_sealed(body, self.private.encode()))["alert"]
        except CannotOpen:
            raise NotMeasured("a webhook does not open") from None
        if alert["message_id"] != webhook_id or "identity" not in alert["facts"]:
            raise NotMeasured("a webhook does not hold the alert it is named for")


def _check(findings: list[Finding], posted: int) -> None:
    if len(findings) != posted:
        raise NotMeasured(f"{len(findings)} alerts, where {posted} were to be")
    if not all(found.verified and found.state == "accepted" for found in findings):
        raise NotMeasured("an alert is unproven, or was not accepted")


@contextlib.contextmanager
def gateway_running(
    folder: Path,
    key: SigningKey,
    receiver_url: str,
    *,
    recipients: int = 1,
    workers: int = 1,
    undecided: int = 2000,
    batches: int = 1,
    fill: Callable[[Config], Coroutine[None, None, None]] | None = None,
    more: str = "",
    role: str = "all",
) -> Iterator[Journey]:
    """Make an instance in `folder` and run the gateway on it until the block ends.

    Args:
        folder: Must not exist yet.
        key: All posts are signed with.
        receiver_url: Where each recipient's webhook is.
        recipients: How many are told of each event.
        workers: Processes that share the store.
        undecided: How many events it lets wait undecided.
        batches: The most alerts that each recipient takes in one webhook.
        fill: Puts into the store what is to be there before anything is served.
        more: Sections of the configuration.
        role: Of the process.
    """
    private, port = hpke.generate()[0], free_port()
    told = [_recipient(receiver_url, private, number, batches) for number in range(recipients)]
    sections = _CONFIG.format(port=port, undecided=undecided) + more
    config = asyncio.run(_make(folder, sections, key, told))
    if fill is not None:
        asyncio.run(fill(config))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / CONFIG_NAME)]
    command += ["--workers", str(workers), "--role", role]
    with (
        (folder / "gateway.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            began = time.monotonic()
            _wait_ready(port, process)
            yield Journey(
                folder=folder,
                port=port,
                pid=process.pid,
                private=private,
                recipients=recipients,
                started_s=time.monotonic() - began,
            )
        finally:
            process.send_signal(signal.SIGTERM)


async def _make(folder: Path, sections: str, key: SigningKey, told: Sequence[Recipient]) -> Config:
    config = await create(folder, name="throughgate.example/bench", sections=sections)
    await register_agency(config, poster(key))
    await register_recipients(config, told)
    return config


def _recipient(url: str, private: str, number: int, batches: int) -> Recipient:
    key = recipient_key("hpke", hpke.public_of(private))
    webhook = Endpoint(
        id=EndpointId(f"police-ppu-{number}/webhook"),
        channel="webhook",
        address=url,
        keys=(confirmed(key, at=clock.now(), by="bench"),),
        signing_secret=generate_shared_secret(),
        batches=batches,
        batch_bytes=4_000_000,
    )
    return Recipient(
        id=RecipientId(f"police-ppu-{number}"),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({AREA}),
        endpoints=(webhook,),
        agreement_ref="ISA-EXAMPLESHIRE v1",
    )


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < deadline:
        if _is_ready(port):
            return
        time.sleep(0.05)
    raise NotMeasured("the gateway did not start")


def _is_ready(port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=5)) as client:
        try:
            client.request("GET", "/health/ready")
            return client.getresponse().status == 200
        except OSError:
            return False
