"""The whole path over real sockets: posted, told, opened, proven."""

import base64
import email
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from standardwebhooks import Webhook

from gateway import clock
from gateway.cli.post import send
from gateway.demo.answers import answer_and_collect
from gateway.demo.auditing import audit
from gateway.demo.cast import mailbox
from gateway.demo.checks import Aftermath, look
from gateway.demo.events import story
from gateway.demo.stage import Stage, collect_long, gateway_running, set_up
from gateway.demo.story import settled
from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.instance import VKEY_NAME
from keys.seal import open_sealed
from keys.webhook_signature import verify
from tests import canaries
from tests.third_party import missing


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[Stage, Aftermath, str]]:
    """Play the story once; yield the stage, what happened and the metrics, gateway still up."""
    async with set_up(tmp_path / "instance") as stage, gateway_running(stage):
        statuses = []
        async with aiohttp.ClientSession() as session:
            for step in story(clock.now()):
                poster = stage.posters[step.agency]
                status, _ = await send(
                    session,
                    stage.url,
                    poster.agency.name,
                    poster.key,
                    step.body,
                    adapter=step.adapter,
                )
                statuses.append(status)
                await settled(stage)  # what a correction overtakes would never be sent
            async with session.get(f"{stage.url}/metrics") as response:
                metrics = await response.text()
        await collect_long(stage)
        answers = await answer_and_collect(stage)
        audited = await audit(stage.config, stage.url)
        yield stage, look(stage, statuses == [202] * len(statuses), answers, audited), metrics


async def test_every_claim_of_the_demonstration_holds(
    told: tuple[Stage, Aftermath, str],
) -> None:
    _, seen, _ = told
    assert [check.claim for check in seen.checks if not check.held] == []
    assert len(seen.checks) >= 14


async def test_metrics_count_and_name_nobody(told: tuple[Stage, Aftermath, str]) -> None:
    _, seen, metrics = told
    assert 'throughgate_events_total{kind="release.actual"} 1.0' in metrics
    delivered = sum(one.entry["channel"] == "webhook" for one in seen.findings)
    assert f'channel="webhook",state="accepted"}} {float(delivered)}' in metrics
    assert canaries.found_in(metrics) == []


async def test_webhooks_carry_both_signatures_over_the_bytes_sent(
    told: tuple[Stage, Aftermath, str],
) -> None:
    stage, _, _ = told
    endpoint = stage.readers["police-ppu"].recipient.endpoints[0]
    gateway_key = (stage.folder / "keys" / "signing-key").read_text().strip()
    public = _public_half(gateway_key)
    for hook in stage.hooks["police-ppu"].received:
        given = {name: hook.headers[name] for name in hook.headers if name.startswith("webhook-")}
        verify(
            [public],
            message_id=given["webhook-id"],
            timestamp=given["webhook-timestamp"],
            signature=given["webhook-signature"],
            body=hook.body,
            now=int(given["webhook-timestamp"]),
        )
        Webhook(endpoint.signing_secret or "").verify(hook.body.decode(), given)
        assert orjson.loads(hook.body)["id"] == given["webhook-id"]


async def test_the_proof_in_a_webhook_ties_the_opened_entry_to_the_log(
    told: tuple[Stage, Aftermath, str],
) -> None:
    stage, _, _ = told
    vkey = VerifierKey.parse((stage.folder / VKEY_NAME).read_text().strip())
    for name, hook in stage.hooks.items():
        private = stage.readers[name].private
        for received in hook.received:
            content = orjson.loads(open_sealed(received.collected or received.body, private or b""))
            entry = base64.b64decode(content["entry"])
            proof.verify(
                orjson.loads(received.body)["data"]["proof"], entry=entry, verifiers=[vkey]
            )


def test_openssl_opens_and_verifies_the_mail(
    told: tuple[Stage, Aftermath, str], tmp_path: Path
) -> None:
    stage, _, _ = told
    if shutil.which("openssl") is None:
        missing("openssl")
    mail = next(one for one in stage.mail.messages if mailbox("mappa") in one.recipients)
    (tmp_path / "mail.eml").write_bytes(mail.content)
    (tmp_path / "key.pem").write_bytes(stage.readers["mappa"].private or b"")
    signer = stage.folder / "keys" / "mail-certificate.pem"
    openssl = ["openssl", "cms"]
    inner = subprocess.run(
        [*openssl, "-decrypt", "-in", tmp_path / "mail.eml", "-inkey", tmp_path / "key.pem"],
        capture_output=True,
        check=True,
    ).stdout
    (tmp_path / "inner.eml").write_bytes(inner)
    content = subprocess.run(
        [*openssl, "-verify", "-in", tmp_path / "inner.eml", "-CAfile", signer],
        capture_output=True,
        check=True,
    ).stdout
    payload = email.message_from_bytes(content).get_payload(decode=True)
    alert = orjson.loads(payload)["alert"]
    assert alert["recipient"] == "mappa"
    assert alert["facts"]["mappa"]["level"] == 3


def _public_half(secret_text: str) -> str:
    from keys.signing import SigningKey

    return SigningKey.parse(secret_text).public_text
