"""MESH in a whole gateway: an event comes in by one mailbox and the sealed alert leaves for
another; and what the configuration and the directory accept of it."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.channels.outbound import OutboundPolicy
from gateway.config import BadConfig, Config, load_config
from gateway.mesh_mailbox.trouble import MeshTrouble
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Endpoint, Recipient
from gateway.over_endpoint import forms_for
from gateway.recipients_file import BadRecipients, Known, read_recipients
from keys import hpke
from keys.providers.secret_file import write_secret
from keys.seal import open_sealed
from policies.catalogue import Catalogues
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release
from tests.mesh.sandbox import (
    ANOTHER,
    OURS,
    PASSWORD,
    SHARED_KEY,
    THEIRS,
    Sandbox,
    a_mailbox,
    a_peer,
)
from tests.policies.cases import RULEBOOK
from tests.support.trusted import LONG_AGO, trusted

SETTLES_WITHIN_S = 30.0


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    write_secret(folder / "password", PASSWORD)
    write_secret(folder / "shared-key", SHARED_KEY)
    return folder


def sections(url: str, secrets: Path, **changes: str) -> str:
    keys = {
        "url": url,
        "mailbox": OURS,
        "password_file": str(secrets / "password"),
        "shared_key_file": str(secrets / "shared-key"),
    } | changes
    return (
        '[webhook]\nallowed_networks = ["127.0.0.0/8"]\nallow_plain_http = true\n\n[mesh]\n'
        + "".join(f"{name} = {json.dumps(text)}\n" for name, text in keys.items())
    )


FEED = f"""
[[feed]]
kind = "mesh"
name = "prison-by-mesh"
agency = "hmp-exampleton"
senders = ["{THEIRS}"]
poll_s = 0.2
"""


def by_mesh() -> tuple[Recipient, str]:
    """Return a police recipient who is reached by MESH alone, and their private key."""
    private, public = hpke.generate()
    endpoint = Endpoint(
        id=EndpointId("police-ppu/mesh"),
        channel="mesh",
        address=ANOTHER,
        keys=trusted("hpke", public),
    )
    recipient = Recipient(
        id=RecipientId("police-ppu"),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset(),
        endpoints=(endpoint,),
    )
    return recipient, private


async def received(peer: Any) -> bytes:
    """Return the first message that comes into a mailbox."""
    for _ in range(int(SETTLES_WITHIN_S / 0.1)):
        for listed in await asyncio.to_thread(peer.list_messages):
            message = await asyncio.to_thread(peer.retrieve_message, listed)
            body = message.read()
            return bytes(body)
        await asyncio.sleep(0.1)
    raise AssertionError("no alert came")


async def acknowledged(sandbox: Sandbox) -> None:
    for _ in range(int(SETTLES_WITHIN_S / 0.1)):
        if sandbox.stored(OURS) and not sandbox.waiting(OURS):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the event was not acknowledged")


async def test_an_event_by_mesh_becomes_a_sealed_alert_by_mesh(
    sandbox: Sandbox, secrets: Path, tmp_path: Path, peer: Any
) -> None:
    recipient, private = by_mesh()
    event = json.dumps(planned_release()).encode()
    await asyncio.to_thread(peer.send_message, OURS, event, workflow_id="RELEASES")
    async with gateway(
        tmp_path / "instance",
        recipients=[recipient],
        sections=sections(sandbox.url, secrets) + FEED,
    ) as running:
        with a_peer(sandbox, ANOTHER) as theirs:
            cloud_event = json.loads(await received(theirs))
        await acknowledged(sandbox)
        _logged(running)
    sealed = json.dumps(cloud_event["data"]["sealed"]).encode()
    opened = json.loads(open_sealed(sealed, private.encode()))
    assert opened["alert"]["message_id"] == cloud_event["id"]
    assert opened["alert"]["facts"]["identity"]["family_name"] == canaries.NAME
    assert cloud_event["data"]["proof"].startswith("c2sp.org/tlog-proof@v1")
    (kept,) = sandbox.stored(ANOTHER)
    assert kept["metadata"]["local_id"] == cloud_event["id"]
    assert canaries.found_in(json.dumps(kept) + json.dumps(cloud_event) + sandbox.log()) == []


def _logged(running: Gateway) -> None:
    (entry,) = running.entries("disclosure")
    assert (entry["channel"], entry["form"]) == ("mesh", "sealed")


# The client certificate that MESH asks for.


async def test_with_a_client_certificate_and_not_without(
    one_sandbox: Sandbox, tmp_path: Path, secrets: Path
) -> None:
    authority = trustme.CA()
    server, ours = authority.issue_cert("127.0.0.1"), authority.issue_cert("gateway.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    (tmp_path / "store").mkdir()
    sandbox = Sandbox(
        folder=tmp_path / "store",
        scheme="https",
        arguments=(
            "--ssl-keyfile", str(tmp_path / "server.pem"),
            "--ssl-certfile", str(tmp_path / "server.pem"),
            "--ssl-ca-certs", str(tmp_path / "ca.pem"),
            "--ssl-cert-reqs", str(int(ssl.CERT_REQUIRED)),
        ),
    )  # fmt: skip
    sandbox.start()
    try:
        bare = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        bare.minimum_version = ssl.TLSVersion.TLSv1_2  # older Pythons leave it to the system
        mailbox = a_mailbox(sandbox, ssl_context=bare)
        with pytest.raises(MeshTrouble, match=r"^(tls|connection-lost)$"):
            await mailbox.handshake()
        await mailbox.close()
        bare.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        mailbox = a_mailbox(sandbox, ssl_context=bare)
        await mailbox.handshake()
        await mailbox.close()
        unknown = a_mailbox(sandbox, ssl_context=None)
        with pytest.raises(MeshTrouble, match=r"^tls$"):
            await unknown.handshake()
        await unknown.close()
    finally:
        sandbox.stop()


# The configuration.


def configured(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "throughgate.toml"
    file.write_text('[instance]\nname = "gateway.example"\n\n' + text)
    return load_config(file)


def test_the_section_needs_a_mailbox_and_its_secrets(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as error:
        configured(tmp_path, "[mesh]\n")
    for name in ("mailbox", "password_file", "shared_key_file"):
        assert f"mesh.{name}: Field required" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mailbox": "X26 ABC"}, "mesh.mailbox"),
        ({"workflow_id": "A B"}, "mesh.workflow_id"),
        ({"certificate": "c.pem"}, "certificate and key go together"),
        ({"key": "k.pem"}, "certificate and key go together"),
        ({"novelty": "1"}, "mesh.novelty"),
    ],
)
def test_a_section_in_another_form_is_refused_by_its_key(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(BadConfig, match=said):
        configured(tmp_path, sections("https://mesh.example.org", tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://mesh.example.org"}, "mesh: url: url-scheme"),
        ({"certificate": "none.pem", "key": "none.pem"}, "mesh: certificate or key"),
        ({"ca_file": "none.pem"}, "ca_file none.pem is not there"),
    ],
)
async def test_what_cannot_be_used_is_said_before_anything_is_served(
    tmp_path: Path, secrets: Path, changes: dict[str, str], said: str
) -> None:
    started = gateway(
        tmp_path / "instance",
        sections=sections("https://mesh.example.org", secrets).replace(
            'url = "https://mesh.example.org"\n', ""
        )
        + "".join(f"{name} = {json.dumps(text)}\n" for name, text in changes.items()),
    )
    with pytest.raises(BadConfig, match=said):
        async with started:
            raise AssertionError("served all the same")


# The directory.


@pytest.fixture(scope="module")
def catalogues() -> Catalogues:
    return RULEBOOK.catalogues


def imported(tmp_path: Path, catalogues: Catalogues, **endpoint: str) -> Endpoint:
    file = tmp_path / "recipients.toml"
    lines = "".join(f"{name} = {json.dumps(text)}\n" for name, text in endpoint.items())
    file.write_text(
        '[[recipient]]\nid = "in-reach"\norganisation = "Example Trust"\n'
        'organisation_class = "police"\nrole = "police_offender_manager"\nareas = []\n\n'
        f'[[recipient.endpoint]]\nchannel = "mesh"\n{lines}'
    )
    (one,) = read_recipients(
        file, Known(catalogues=catalogues, policy=OutboundPolicy(), now=LONG_AGO)
    )
    return one.endpoints[0]


def test_a_mesh_endpoint_is_a_mailbox_id_and_a_key(tmp_path: Path, catalogues: Catalogues) -> None:
    _, public = hpke.generate()
    endpoint = imported(tmp_path, catalogues, address="x26abc3", key=public)
    assert (endpoint.id, endpoint.channel, endpoint.address) == ("in-reach/mesh", "mesh", "X26ABC3")
    assert len(endpoint.keys) == 1
    assert forms_for(endpoint) == ("sealed",)


def test_nothing_but_sealed_alerts_goes_to_a_mailbox(
    tmp_path: Path, catalogues: Catalogues
) -> None:
    with pytest.raises(BadRecipients, match="a MESH mailbox needs an hpke or jwe key"):
        imported(tmp_path, catalogues, address="X26ABC3")
    bare = Endpoint(id=EndpointId("in-reach/mesh"), channel="mesh", address="X26ABC3")
    assert forms_for(bare) == ("sealed",)


@pytest.mark.parametrize("address", ["desk@example.org", "X26 ABC3", "https://mesh.example.org"])
def test_what_is_not_a_mailbox_id_is_not_imported(
    tmp_path: Path, catalogues: Catalogues, address: str
) -> None:
    _, public = hpke.generate()
    with pytest.raises(BadRecipients, match="a MESH mailbox id is") as error:
        imported(tmp_path, catalogues, address=address, key=public)
    assert address not in str(error.value)
