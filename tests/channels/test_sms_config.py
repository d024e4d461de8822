"""The [sms] section: what it may say, and the channel it builds."""

import ssl
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.channels.outbound import OutboundPolicy
from gateway.config.sms import SmsConfig
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.model.outcome import Accepted
from gateway.texts import build_sms
from tests.channels.parcels import ALERT, a_parcel, clock
from tests.channels.test_sms import API_KEY, TEMPLATE, a_server
from tests.channels.test_sms_smpp import Heard, trusting
from tests.support.smsc import PASSWORD, smsc

NOTIFY: dict[str, Any] = {"api_key_file": "keys/notify", "template_id": TEMPLATE}
SMPP: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 2775,
    "system_id": "gateway",
    "password_file": "keys/smpp",
    "source": "Throughgate",
}
SECRETS = {"keys/notify": API_KEY, "keys/smpp": PASSWORD}


@pytest.mark.parametrize(
    ("section", "configured"),
    [
        (NOTIFY, ("notify",)),
        ({"smpp": SMPP}, ("smpp",)),
        (NOTIFY | {"smpp": SMPP}, ("notify", "smpp")),
        (NOTIFY | {"smpp": SMPP, "order": ["smpp", "notify"]}, ("smpp", "notify")),
    ],
)
def test_the_carriers_there_are_settings_for_are_tried_in_order(
    section: dict[str, Any], configured: tuple[str, ...]
) -> None:
    assert SmsConfig.model_validate(section).configured == configured


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"template_id": TEMPLATE},
        {"api_key_file": "keys/notify"},
        NOTIFY | {"order": ["smpp"]},
        NOTIFY | {"order": ["notify", "notify"]},
        NOTIFY | {"smpp": SMPP, "order": ["smpp"]},
        NOTIFY | {"unknown": 1},
        NOTIFY | {"caps": {"routine": 51}},
        NOTIFY | {"caps": {"urgent": 101}},
        NOTIFY | {"caps": {"identical": 21}},
        NOTIFY | {"failover": {"prompt_s": 3600}},
        {"smpp": SMPP | {"source": "a name too long to show"}},
        {"smpp": SMPP | {"system_id": "x" * 16}},
    ],
)
def test_a_section_that_cannot_work_is_refused(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SmsConfig.model_validate(section)


async def test_both_carriers_are_built_and_every_receipt_reaches_the_sink(
    certificates: LoopbackCertificates, tmp_path: Path
) -> None:
    heard = Heard()
    async with a_server(certificates) as server, smsc(tmp_path) as centre:

        def tls(ca_file: Path | None) -> ssl.SSLContext:
            return trusting(centre.ca_pem) if ca_file else certificates.client_context

        section = NOTIFY | {
            "base_url": server.url,
            "order": ["smpp", "notify"],
            "smpp": SMPP | {"port": centre.port, "ca_file": "smsc.pem"},
        }
        channel, sink = build_sms(
            SmsConfig.model_validate(section),
            secret=lambda file: SECRETS[str(file)],
            tls=tls,
            policy=OutboundPolicy(allowed_networks=(ip_network("127.0.0.0/8"),)),
            unix=clock,
            monotonic=time.monotonic,
            key=bytes(32),
            receipts=heard.receipt,
            replies=heard.reply,
        )
        assert isinstance(await channel.deliver(a_parcel("sms")), Accepted)
        await heard.until()
        (receipt,) = heard.receipts
        assert await sink(receipt)
        await centre.plan(statuses=[0x58])
        assert isinstance(await channel.deliver(a_parcel("sms", alert="alt_2")), Accepted)
        await channel.close()
    assert [one.alert for one in heard.receipts] == [ALERT, ALERT]
    assert [text.reference for text in server.texts] == ["alt_2"]
