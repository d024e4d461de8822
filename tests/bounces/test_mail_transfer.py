"""A real mail system: it takes our mail under TLS, and its reports come back as receipts."""

import asyncio
import email
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.bounces.reader import BounceReader
from gateway.channels.email import EmailChannel
from gateway.channels.mail_message import SEALED_SUBJECT
from gateway.channels.mail_routes import MailRoute
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Receipt
from keys.seal import open_mail, recipient_key, seal
from tests.channels.parcels import a_cms, a_parcel, clock
from tests.keys.material import CONTEXT, NOW, Kind, identity, mail_signer
from tests.support.mail_transfer import DOMAIN, HOST, MailTransfer, postfix
from tests.support.servers import require

WITHIN_S = 30


def _channel(transfer: MailTransfer, security: Any, **changes: Any) -> EmailChannel:
    settings: dict[str, Any] = {
        "host": HOST,
        "port": transfer.tls_port if security == "tls" else transfer.starttls_port,
        "security": security,
        "ssl_context": transfer.client_context,
        "sender": f"alerts@{DOMAIN}",
        "hostname": "gateway.example.org",
        "bounces": f"bounces@{DOMAIN}",
    }
    return EmailChannel(default=MailRoute(**(settings | changes)), clock=clock)


def _alert(number: int) -> AlertId:
    return AlertId(f"alt_0193f2b0-7b1e-7c3e-9a51-{number:012x}")


async def _receipts(transfer: MailTransfer, mailbox: str, number: int) -> list[Receipt]:
    told: list[Receipt] = []
    enough = asyncio.Event()

    async def sink(receipt: Receipt) -> bool:
        told.append(receipt)
        if len(told) == number:
            enough.set()
        return True

    reader = BounceReader(transfer.maildir(mailbox), sink, poll_s=0.05)
    running = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(WITHIN_S):
            await enough.wait()
    except TimeoutError:
        pytest.fail(transfer.log())
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return told


async def test_postfix_takes_our_mail_and_its_reports_come_to_receipts() -> None:
    sealed = a_cms(b"\r\n.\r\n" * 20_000)
    async with postfix("duty.desk", "bounces", "alerts") as transfer:
        # Over both ways of TLS, for a mailbox there is and one there is not; and with the return
        # path that says nothing of the alert.
        ways: list[tuple[Any, dict[str, Any]]] = [
            ("starttls", {}),
            ("tls", {}),
            ("tls", {"bounces": None}),
        ]
        for number, (security, changes) in enumerate(ways):
            channel = _channel(transfer, security, **changes)
            for at, mailbox in enumerate(("duty.desk", "nobody.here")):
                parcel = a_parcel(
                    "email",
                    form="sealed",
                    sealed=sealed,
                    alert=_alert(2 * number + at),
                    address=f"{mailbox}@{DOMAIN}",
                )
                assert await channel.deliver(parcel) == Accepted(detail="smtp-250")
            await channel.close()
        told = await _receipts(transfer, "bounces", 4) + await _receipts(transfer, "alerts", 2)
        arrived = transfer.arrived("duty.desk")
        log = transfer.log()
    expected = [
        Receipt(alert=_alert(number), channel="email", state="failed", code="dsn-5.1.1")
        if number % 2
        else Receipt(alert=_alert(number), channel="email", state="delivered", code="dsn-2.0.0")
        for number in range(6)
    ]
    assert sorted(told, key=lambda receipt: receipt.alert) == expected
    assert len(arrived) == 3
    for mail in map(email.message_from_bytes, arrived):
        assert mail.get_param("smime-type") == "authEnveloped-data"
        assert mail.get_payload(decode=True) == sealed
    assert log.count("TLS connection established") == 3
    assert f"from=<bounces+{_alert(0)}@{DOMAIN}>" in log
    assert f"from=<alerts@{DOMAIN}>" in log


ALERT_SEALED = b'{"alert":"sealed"}'
TRUE = {"Subject": "MAPPA level 3"}


def _sealed(kind: Kind, cipher: Any) -> bytes:
    return seal(
        ALERT_SEALED,
        recipient_key("cms", identity(kind).certificate),
        context=CONTEXT,
        now=NOW,
        mail_signer=mail_signer(),
        cipher=cipher,
        headers=TRUE,
        outer={"Subject": SEALED_SUBJECT},
    )


def _openssl_opens(folder: Path, mail: bytes, kind: Kind) -> bytes:
    (folder / "mail").write_bytes(mail)
    (folder / "mine.key").write_bytes(identity(kind).private)
    (folder / "mine.crt").write_text(identity(kind).certificate, "ascii")
    program = require("openssl", "openssl")
    done = subprocess.run(
        [program, "cms", "-decrypt", "-in", "mail", "-inkey", "mine.key", "-recip", "mine.crt"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_sealed_mail_opens_as_it_arrived_with_openssl_and_with_ours(tmp_path: Path) -> None:
    kinds: tuple[Kind, ...] = ("rsa", "p256")
    ways = [(kind, cipher) for kind in kinds for cipher in ("gcm", "cbc")]
    async with postfix("bounces", *(f"{kind}.{cipher}" for kind, cipher in ways)) as transfer:
        channel = _channel(transfer, "tls")
        for kind, cipher in ways:
            parcel = a_parcel(
                "email",
                form="sealed",
                sealed=_sealed(kind, cipher),
                address=f"{kind}.{cipher}@{DOMAIN}",
            )
            assert await channel.deliver(parcel) == Accepted(detail="smtp-250")
        await channel.close()
        await _receipts(transfer, "bounces", len(ways))
        arrived = {way: transfer.arrived(".".join(way)) for way in ways}
    for (kind, cipher), (mail,) in arrived.items():
        parsed = email.message_from_bytes(mail)
        assert parsed["Subject"] == SEALED_SUBJECT
        kept = {"gcm": "authEnveloped-data", "cbc": "enveloped-data"}[cipher]
        assert parsed.get_param("smime-type") == kept
        opened = open_mail(mail, identity(kind).both, accept_cbc=cipher == "cbc")
        assert (opened.content, dict(opened.headers)) == (ALERT_SEALED, TRUE)
        assert b"smime-type=signed-data" in _openssl_opens(tmp_path, mail, kind)


async def test_postfix_shows_a_certificate_we_do_not_trust() -> None:
    async with postfix("duty.desk") as transfer:
        for security in ("starttls", "tls"):
            channel = _channel(transfer, security, ssl_context=None)
            outcome = await channel.deliver(a_parcel("email", address=f"duty.desk@{DOMAIN}"))
            assert outcome == Deferred(reason="tls")
            await channel.close()
        assert transfer.arrived("duty.desk") == []
