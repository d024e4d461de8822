"""What a recipient has received, sealed in every form, with the keys to open it."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from gateway import clock
from gateway.channels.webhook_batch import batch_body
from keys import hpke, jwe
from keys.cms import Cipher, MailSigner
from keys.seal import recipient_key, seal
from keys.self_signed import mail_identity
from keys.signing import SigningKey, generate_shared_secret
from keys.webhook_signature import sign

PLAINTEXT = json.dumps({"alert": {"recipient": "mappa", "renditions": []}}).encode()
_SHOWN = {"From": "gateway@example.org", "To": "mappa@example.org", "Subject": "[...]"}
_TRUE = {**_SHOWN, "Subject": "Alert for the MAPPA coordinator"}


@contextlib.asynccontextmanager
async def delivered(folder: Path) -> AsyncIterator[int | None]:
    """Webhook bodies, mails and keys, as `docs/recipients/opening-alerts.md` names them."""
    hand_out(folder)
    yield None


def hand_out(folder: Path) -> None:
    """Write everything into a folder."""
    jwk_private, jwk_public = jwe.generate("X25519")
    pairs = {
        "hpke": hpke.generate(),
        "x25519": hpke.generate("x25519"),
        "jwe": (jwk_private, jwk_public),
    }
    for name, (private, public) in pairs.items():
        (folder / f"{name}.key").write_text(private)
        (folder / f"{name}.json").write_bytes(_body("jwe" if name == "jwe" else "hpke", public))
    _sign(folder, pairs["hpke"][1])
    _mails(folder)


def _body(form: str, public: str, id_: str = "alt_1") -> bytes:
    key = recipient_key(form, public)  # type: ignore[arg-type]
    blob = seal(PLAINTEXT, key, context=b"alert:alt_1", now=clock.now())
    sealed = json.loads(blob) if form == "hpke" else blob.decode()
    return json.dumps({"specversion": "1.0", "id": id_, "data": {"sealed": sealed}}).encode()


def _sign(folder: Path, public: str) -> None:
    key, secret, now = SigningKey.generate(), generate_shared_secret(), int(clock.now().timestamp())
    each = [_body("hpke", public, f"alt_{number}") for number in (1, 2, 3)]
    (folder / "batch.json").write_bytes(batch_body(each))
    for name, headed, id_ in (("hpke", "headers", "alt_1"), ("batch", "batch-headers", "bat_1")):
        body = (folder / f"{name}.json").read_bytes()
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": str(now),
            "webhook-signature": sign([key, secret], id_, now, body),
        }
        (folder / f"{headed}.json").write_text(json.dumps(headers))
    (folder / "gateway.pub").write_text(key.public_text)
    (folder / "webhook.secret").write_text(secret)


def _mails(folder: Path) -> None:
    now = clock.now()
    period = {"valid_from": now - timedelta(days=1), "valid_until": now + timedelta(days=1)}
    private, certificate = mail_identity("Recipient", mailbox="mappa@example.org", **period)
    ours, our_certificate = mail_identity("Gateway", mailbox="gateway@example.org", **period)
    (folder / "mail.pem").write_text(private + certificate)
    (folder / "mail-certificate.pem").write_text(our_certificate)
    signer = MailSigner(our_certificate, ours)
    for name, cipher in (("alert", "gcm"), ("cbc", "cbc")):
        sealed = _sealed_mail(certificate, signer, cipher)  # type: ignore[arg-type]
        (folder / f"{name}.eml").write_bytes(sealed)


def _sealed_mail(certificate: str, signer: MailSigner, cipher: Cipher) -> bytes:
    der = seal(
        PLAINTEXT,
        recipient_key("cms", certificate),
        context=b"alert:alt_1",
        now=clock.now(),
        mail_signer=signer,
        cipher=cipher,
        headers=_TRUE,
        outer=_SHOWN,
    )
    kind = "authEnveloped-data" if cipher == "gcm" else "enveloped-data"
    head = [
        *(f"{name}: {value}" for name, value in _SHOWN.items()),
        "MIME-Version: 1.0",
        f'Content-Type: application/pkcs7-mime; smime-type={kind}; name="smime.p7m"',
        "Content-Transfer-Encoding: base64",
    ]
    body = base64.encodebytes(der).replace(b"\n", b"\r\n")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
