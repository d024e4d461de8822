"""Mail sealed as the directory says: which cipher, and the header fields inside the seal."""

import dataclasses
import datetime as dt
from pathlib import Path

import orjson
import pytest

from gateway.assembly import disclosing_of, links_of
from gateway.channels.mail_message import SEALED_SUBJECT
from gateway.config import load_config
from gateway.disclose import Disclosing, Told
from gateway.disclose import test_alert as tell_test
from gateway.instance import create, load_keys, sealed_store
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import Endpoint, Recipient
from gateway.model.reference import reference
from keys import mime_headers
from keys.cms import open_signed
from keys.problem import CannotOpen
from keys.seal import open_mail, recipient_key
from tests.gateway.test_disclose import context
from tests.keys.authority import Authority, pem_of, root
from tests.keys.material import NOW, mail_signer, new_key, pem

KEY = new_key("p256")
ROOT: Authority = root()
CERTIFICATE = pem_of(ROOT.issue(key=KEY))
ADDRESS = "mappa@example.org"
MAIL = Endpoint(
    id=EndpointId("mail/email"),
    channel="email",
    address=ADDRESS,
    keys=(confirmed(recipient_key("cms", CERTIFICATE), at=NOW, by="DPO-EXAMPLE"),),
    smime="gcm",
)
CBC = dataclasses.replace(MAIL, smime="cbc", cbc_accepted="REC-2026-1")
PRIVATE = pem(KEY) + CERTIFICATE.encode()


def told(endpoint: Endpoint, circumstances: Disclosing | None = None) -> Told:
    """Tell one mailbox of nothing."""
    recipient = Recipient(
        id=RecipientId("mail"),
        organisation="Example Mail",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset(),
        endpoints=(endpoint,),
    )
    event = Event(
        ref=EventRef("evt_1"),
        agency=AgencyName("throughgate"),
        person=PersonRef("per_1"),
        kind="person.linked",
        occurred_at=NOW,
        received_at=NOW,
        groups={},
    )
    return tell_test(
        event, recipient, circumstances or context(mail_signer()), "rulebook",
        within=dt.timedelta(hours=1),
    )  # fmt: skip


def test_cbc_is_used_by_recorded_consent_alone_and_the_entry_says_so() -> None:
    [weaker] = told(CBC).disclosures
    with pytest.raises(CannotOpen):
        open_mail(weaker.sealed, PRIVATE)
    assert orjson.loads(open_mail(weaker.sealed, PRIVATE, accept_cbc=True).content)["alert"]
    assert orjson.loads(weaker.entry)["cipher"] == "cbc"
    for endpoint in (MAIL, dataclasses.replace(CBC, cbc_accepted=None)):
        [strong] = told(endpoint).disclosures
        assert orjson.loads(open_mail(strong.sealed, PRIVATE).content)["alert"]
        assert "cipher" not in orjson.loads(strong.entry)


def test_the_subject_is_inside_the_seal_and_says_only_which_alert() -> None:
    circumstances = dataclasses.replace(
        context(mail_signer()), mail_from=lambda _endpoint: "gateway@example.org"
    )
    [disclosure] = told(MAIL, circumstances).disclosures
    assert open_mail(disclosure.sealed, PRIVATE).headers == {
        "From": "gateway@example.org",
        "To": ADDRESS,
        "Subject": f"Alert {reference(AlertId(disclosure.alert))}",
    }
    entity, _ = open_signed(
        disclosure.sealed,
        private_key_pem=pem(KEY),
        certificate_pem=CERTIFICATE.encode(),
        accept_cbc=False,
    )
    assert mime_headers.outside(entity) == {
        "From": "gateway@example.org",
        "To": ADDRESS,
        "Subject": SEALED_SUBJECT,
    }


async def test_the_sender_inside_is_that_of_the_route_the_mail_will_take(tmp_path: Path) -> None:
    sections = (
        '[email]\nhost = "relay.example.org"\nport = 587\nsender = "alerts@gateway.example.org"\n'
        'hostname = "gateway.example.org"\n'
        '[[email.route]]\nname = "cjsm"\ndomains = ["cjsm.example"]\nhost = "relay.cjsm.example"\n'
        'port = 587\nsender = "alerts@gateway.cjsm.example"\n'
    )
    await create(tmp_path / "i", name="throughgate.example/mail", sections=sections)
    config = load_config(tmp_path / "i" / "throughgate.toml")
    make = disclosing_of(
        config, load_keys(config), lambda *_: (), links_of(config, sealed_store(config))
    )
    sender = make(NOW).mail_from
    assert sender(MAIL) == "alerts@gateway.example.org"
    there = dataclasses.replace(MAIL, address="mappa@unit.cjsm.example")
    assert sender(there) == "alerts@gateway.cjsm.example"
    assert sender(dataclasses.replace(there, route="cjsm")) == "alerts@gateway.cjsm.example"
    for nowhere in (
        dataclasses.replace(MAIL, route="cjsm"),
        dataclasses.replace(there, route="gone"),
    ):
        assert sender(nowhere) is None
