"""The journey: the gateway itself, one process, everything on, one alert for each event."""

import asyncio
import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from bench.posts import poster
from bench.problem import NotMeasured
from bench.wire import HOST
from gateway import clock
from gateway.audit.findings import Auditor, Finding
from gateway.demo.cast import AREA
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.sources import DirectorySource
from gateway.instance import CONFIG_NAME, VKEY_NAME, create
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import Endpoint, Recipient
from gateway.registration import register_agency, register_recipients
from keys import hpke
from keys.problem import CannotOpen
from keys.seal import open_sealed, recipient_key
from keys.signing import SigningKey, generate_shared_secret

_READY_S: Final = 20.0
_CONFIG: Final = """\
[http]
port = {port}

[webhook]
allow_plain_http = true
allowed_networks = ["127.0.0.1/32"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """The gateway, seen from outside, and the key its one recipient opens with."""

    folder: Path
    port: int
    pid: int
    private: str = field(repr=False)

    def alerts(self, *, posted: int) -> Mapping[str, str]:
        """Return the alert that each event led to (event reference -> alert), once all holds.

        Call it when the gateway has stopped.

        Raises:
            NotMeasured: an alert is missing, unproven or not accepted, or the log is not sound.
        """
        vkey = (self.folder / VKEY_NAME).read_text("utf-8").strip()
        with Auditor.open(self.folder / "throughgate.db", vkey) as auditor:
            findings = auditor.findings()
        _check(findings, posted)
        with contextlib.closing(DirectorySource(self.folder)) as source:
            report = check_log(source, verifier=VerifierKey.parse(vkey))
        if report.verdict != "ok" or report.size < 3 * posted:
            raise NotMeasured("the disclosure log does not verify")
        return {str(found.entry["event"]): found.alert for found in findings}

    def check_webhook(self, webhook_id: str, body: bytes) -> None:
        """Open one webhook as its recipient would.

        Raises:
            NotMeasured: it does not open, or does not hold the alert it is named for.
        """
        try:
            alert = orjson.loads(open_sealed(body, self.private.encode()))["alert"]
        except CannotOpen:
            raise NotMeasured("a webhook does not open") from None
        if alert["message_id"] != webhook_id or "identity" not in alert["facts"]:
            raise NotMeasured("a webhook does not hold the alert it is named for")


def _check(findings: list[Finding], posted: int) -> None:
    if len(findings) != posted:
        raise NotMeasured(f"{posted} events led to {len(findings)} alerts")
    if not all(found.verified and found.state == "accepted" for found in findings):
        raise NotMeasured("an alert is unproven, or was not accepted")


@contextlib.contextmanager
def gateway_running(folder: Path, key: SigningKey, receiver_url: str) -> Iterator[Journey]:
    """Make an instance in `folder` and run the gateway on it until the block ends.

    Args:
        folder: Must not exist yet.
        key: All posts are signed with.
        receiver_url: Where its one recipient's webhook is.
    """
    private, port = hpke.generate()[0], _free_port()
    recipient = _recipient(receiver_url, private)
    asyncio.run(_make(folder, port, key, recipient))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / CONFIG_NAME)]
    with (
        (folder / "gateway.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_ready(port, process)
            yield Journey(folder=folder, port=port, pid=process.pid, private=private)
        finally:
            process.send_signal(signal.SIGTERM)


async def _make(folder: Path, port: int, key: SigningKey, recipient: Recipient) -> None:
    config = await create(
        folder, name="throughgate.example/bench", sections=_CONFIG.format(port=port)
    )
    await register_agency(config, poster(key))
    await register_recipients(config, [recipient])


def _recipient(url: str, private: str) -> Recipient:
    key = recipient_key("hpke", hpke.public_of(private))
    webhook = Endpoint(
        id=EndpointId("police-ppu/webhook"),
        channel="webhook",
        address=url,
        keys=(confirmed(key, at=clock.now(), by="bench"),),
        signing_secret=generate_shared_secret(),
    )
    return Recipient(
        id=RecipientId("police-ppu"),
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
