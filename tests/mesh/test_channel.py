"""The channel over MESH: once taken it is taken, and no doubt sends it twice."""

import asyncio
import json
import logging
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from gateway.channels.contract import Channel
from gateway.channels.mesh import MeshChannel
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Deferred, Rejected
from tests.channels.parcels import ALERT, CMS, HPKE, JWE, NOTICE, a_parcel
from tests.channels.scripted import listening
from tests.channels.test_contract import SITUATIONS
from tests.mesh.relay import Relay
from tests.mesh.sandbox import (
    OURS,
    PASSWORD,
    SHARED_KEY,
    THEIRS,
    WORKFLOW,
    Sandbox,
    a_mailbox,
    post,
)
from tests.mesh.test_mailbox import outgoing

SHORT_S = 0.4


def a_channel(sandbox: Sandbox, *, deadline_s: float = 10, **changes: Any) -> MeshChannel:
    return MeshChannel(
        source="urn:throughgate:gateway.example",
        mailbox=a_mailbox(sandbox, **changes),
        workflow_id=WORKFLOW,
        timeout_s=deadline_s,
    )


def parcel(**changes: Any) -> Parcel:
    settings = {"address": THEIRS, "endpoint": EndpointId("in-reach/mesh")} | changes
    return replace(a_parcel("webhook", **settings), channel="mesh")


async def deliver(channel: Channel, *parcels: Parcel) -> list[object]:
    outcomes: list[object] = [await channel.deliver(one) for one in parcels]
    await channel.close()
    return outcomes


def again(**changes: Any) -> Parcel:
    return parcel(attempt=2, outcome_unknown=True, **changes)


async def test_a_sealed_alert_reaches_the_independent_client_with_its_proof(
    sandbox: Sandbox, peer: Any
) -> None:
    (outcome,) = await deliver(a_channel(sandbox), parcel())
    (message_id,) = await asyncio.to_thread(peer.list_messages)
    assert outcome == Accepted(detail=message_id)
    message = await asyncio.to_thread(peer.retrieve_message, message_id)
    event = json.loads(message.read())
    assert event["id"] == ALERT
    assert event["data"] == {"sealed": json.loads(HPKE), "proof": parcel().proof}
    assert (message.local_id, message.workflow_id) == (ALERT, WORKFLOW)
    assert (message.sender, message.encrypted) == (OURS, True)


async def test_a_jose_alert_travels_alike(sandbox: Sandbox, peer: Any) -> None:
    await deliver(a_channel(sandbox), parcel(sealed=JWE, address=THEIRS.lower()))
    (message_id,) = await asyncio.to_thread(peer.list_messages)
    event = json.loads((await asyncio.to_thread(peer.retrieve_message, message_id)).read())
    assert event["data"]["sealed"] == JWE.decode()


async def test_an_alert_longer_than_a_chunk_arrives_whole(sandbox: Sandbox, peer: Any) -> None:
    (outcome,) = await deliver(a_channel(sandbox, chunk_bytes=100), parcel())
    assert isinstance(outcome, Accepted)
    message = await asyncio.to_thread(peer.retrieve_message, outcome.detail)
    assert json.loads(message.read())["data"]["proof"] == parcel().proof


@pytest.mark.parametrize(
    ("form", "sealed"),
    [
        ("sealed", b""),
        ("sealed", b"Arthur Specimen, released today"),
        ("sealed", b"{"),
        ("sealed", CMS),
        ("notice", NOTICE),
        ("pointer", b"K7-QQ2-9XD"),
    ],
)
async def test_what_is_not_sealed_never_leaves(sandbox: Sandbox, form: str, sealed: bytes) -> None:
    (outcome,) = await deliver(a_channel(sandbox), parcel(form=form, sealed=sealed))
    assert outcome == Rejected(reason="not-sealed")
    assert sandbox.log().count("outbox") == 0


@pytest.mark.parametrize(
    "address", ["", "AB", "X26 ABC1", "X26ABC2\r\nMex-To: X", "x" * 5000, "\ud800", "\x00"]
)
async def test_an_address_that_is_none_is_rejected_before_any_connection(
    sandbox: Sandbox, address: str
) -> None:
    (outcome,) = await deliver(a_channel(sandbox), parcel(address=address))
    assert outcome == Rejected(reason="address-refused")
    assert sandbox.log().count("outbox") == 0


async def test_an_unknown_recipient_is_a_dead_letter_with_the_reason_mesh_gives(
    sandbox: Sandbox,
) -> None:
    (outcome,) = await deliver(a_channel(sandbox), parcel(address="X26NONE"))
    assert outcome == Rejected(reason="mesh-417-12")


@pytest.mark.parametrize("wrong", [{"shared_key": "other"}, {"password": "other"}])
async def test_a_wrong_secret_of_ours_is_put_off_not_given_up(
    sandbox: Sandbox, wrong: dict[str, Any]
) -> None:
    first, second = await deliver(a_channel(sandbox, **wrong), parcel(), again())
    assert first == Deferred(reason="mesh-403")
    assert second == Deferred(reason="mesh-403", outcome_unknown=True)
    assert sandbox.waiting(THEIRS) == []


async def test_a_sandbox_that_is_down_is_put_off_without_doubt_and_then_taken(
    one_sandbox: Sandbox, sandbox: Sandbox
) -> None:
    sandbox.stop()
    channel = a_channel(sandbox)
    assert await channel.deliver(parcel()) == Deferred(reason="connect")
    one_sandbox.start()
    (outcome,) = await deliver(channel, parcel(attempt=2))
    assert outcome == Accepted(detail=sandbox.waiting(THEIRS)[0])


@pytest.mark.parametrize("silent", [False, True])
async def test_a_lost_answer_is_looked_up_and_the_alert_is_not_sent_again(
    sandbox: Sandbox, silent: bool
) -> None:
    async with Relay(sandbox.port) as relay:
        channel = a_channel(sandbox, url=relay.url, timeout_s=1)
        relay.lose, relay.silent = b"/outbox HTTP", silent
        first = await channel.deliver(parcel())
        assert first == Deferred(
            reason="timeout" if silent else "connection-lost", outcome_unknown=True
        )
        assert relay.lost == 1
        (taken,) = sandbox.waiting(THEIRS)
        outcomes = await deliver(channel, again(), again())
    assert outcomes == [Accepted(detail=taken)] * 2
    assert sandbox.waiting(THEIRS) == [taken]


async def test_a_doubt_that_proves_unfounded_sends(sandbox: Sandbox) -> None:
    (outcome,) = await deliver(a_channel(sandbox), again())
    assert outcome == Accepted(detail=sandbox.waiting(THEIRS)[0])
    assert f"/outbox/tracking/{ALERT}" in sandbox.log()


async def test_a_look_up_that_fails_leaves_the_doubt_and_sends_nothing(sandbox: Sandbox) -> None:
    async with Relay(sandbox.port) as relay:
        channel = a_channel(sandbox, url=relay.url)
        relay.lose = b"/outbox/tracking/"
        (outcome,) = await deliver(channel, again())
    assert outcome == Deferred(reason="connection-lost", outcome_unknown=True)
    assert sandbox.waiting(THEIRS) == []


async def test_an_alert_collected_in_the_meantime_counts_as_taken(sandbox: Sandbox) -> None:
    channel = a_channel(sandbox)
    first = await channel.deliver(parcel())
    assert isinstance(first, Accepted)
    theirs = a_mailbox(sandbox, THEIRS)
    await theirs.acknowledge(first.detail)
    await theirs.close()
    assert await deliver(channel, again()) == [first]
    assert sandbox.waiting(THEIRS) == []


@pytest.mark.parametrize("last", [False, True])
async def test_an_alert_half_sent_is_finished_not_begun_anew(
    sandbox: Sandbox, peer: Any, last: bool
) -> None:
    async with Relay(sandbox.port) as relay:
        channel = a_channel(sandbox, url=relay.url, chunk_bytes=300 if last else 100)
        relay.lose = b"/2 HTTP"
        first = await channel.deliver(parcel())
        assert first == Deferred(reason="connection-lost", outcome_unknown=True)
        (begun,) = sandbox.stored(THEIRS)
        assert sandbox.waiting(THEIRS) == ([begun["message_id"]] if last else [])
        relay.lose = None
        (second,) = await deliver(channel, again())
    assert second == Accepted(detail=begun["message_id"])
    assert sandbox.waiting(THEIRS) == [begun["message_id"]]
    message = await asyncio.to_thread(peer.retrieve_message, begun["message_id"])
    assert json.loads(message.read())["id"] == ALERT


async def test_an_alert_that_mesh_could_not_deliver_is_a_dead_letter(sandbox: Sandbox) -> None:
    channel = a_channel(sandbox)
    first = await channel.deliver(parcel())
    assert isinstance(first, Accepted)
    await _event(sandbox, first.detail, "undeliverable")
    assert await deliver(channel, again()) == [Rejected(reason="mesh-undeliverable")]


async def test_two_of_one_alert_leave_a_doubt_for_a_human(sandbox: Sandbox) -> None:
    mailbox = a_mailbox(sandbox)
    for _ in range(2):
        await mailbox.send(outgoing(local_id=ALERT))
    await mailbox.close()
    outcomes = await deliver(a_channel(sandbox), parcel(), again())
    assert outcomes == [
        Deferred(reason="mesh-300"),
        Deferred(reason="mesh-300", outcome_unknown=True),
    ]
    assert len(sandbox.waiting(THEIRS)) == 2


async def test_an_attempt_that_was_never_recorded_is_found_all_the_same(sandbox: Sandbox) -> None:
    """Killed between MESH's answer and its record: to the next process it is the first attempt."""
    first, second = await deliver(a_channel(sandbox), parcel(), parcel())
    assert first == second == Accepted(detail=sandbox.waiting(THEIRS)[0])
    assert len(sandbox.stored(THEIRS)) == 1


async def test_an_alert_that_went_to_a_mailbox_since_corrected_is_sent_to_the_right_one(
    sandbox: Sandbox,
) -> None:
    outcomes = await deliver(a_channel(sandbox), parcel(address="X26ABC3"), again())
    assert outcomes[1] == Accepted(detail=sandbox.waiting(THEIRS)[0])


async def test_a_server_that_never_answers_is_left_by_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        silent = Sandbox(folder=None, port=port)  # type: ignore[arg-type]
        channel = a_channel(silent, deadline_s=SHORT_S)
        began = time.monotonic()
        (outcome,) = await deliver(channel, parcel())
    assert outcome == Deferred(reason="timeout", outcome_unknown=True)
    assert time.monotonic() - began < SHORT_S + 1


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_bad_server_gets_no_exception_out_of_it_and_no_secret_into_the_outcome(
    situation: str, attempt: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(SITUATIONS[situation]) as server:
        bad = Sandbox(folder=None, port=server.port)  # type: ignore[arg-type]
        channel = a_channel(bad, deadline_s=SHORT_S)
        began = time.monotonic()
        (outcome,) = await deliver(channel, parcel() if attempt == 1 else again())
    assert time.monotonic() - began < SHORT_S + 1
    assert isinstance(outcome, Deferred | Rejected)
    if attempt == 2:
        assert isinstance(outcome, Deferred)
        assert outcome.outcome_unknown
    told = repr(outcome) + repr(channel) + "".join(one.getMessage() for one in caplog.records)
    assert [
        one for one in (PASSWORD, SHARED_KEY, THEIRS, "canary", "c2VhbGVk") if one in told
    ] == []


async def test_a_cancelled_attempt_ends_and_the_channel_goes_on(sandbox: Sandbox) -> None:
    channel = a_channel(sandbox)
    for turns in (0, 1, 3, 9, 20):
        attempt = asyncio.ensure_future(channel.deliver(parcel()))
        for _ in range(turns):
            await asyncio.sleep(0)
        attempt.cancel()
        (finished,) = await asyncio.gather(attempt, return_exceptions=True)
        assert isinstance(finished, asyncio.CancelledError | Accepted)
        other = parcel(alert=AlertId(f"alt_{turns}"))
        assert isinstance(await channel.deliver(other), Accepted)
    await channel.close()


async def test_closing_twice_or_before_use_is_fine(sandbox: Sandbox) -> None:
    channel = a_channel(sandbox)
    await channel.close()
    (outcome,) = await deliver(channel, parcel())
    await channel.close()
    assert isinstance(outcome, Accepted)


async def test_mesh_s_operator_reads_opaque_ids_and_nothing_else(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Every request line and header of an alert's life: no name, no number, no subject, no file
    name, no secret; of the parcel only the alert's own id and the address."""
    caplog.set_level(logging.DEBUG)
    async with Relay(sandbox.port) as relay:
        channel = a_channel(sandbox, url=relay.url, chunk_bytes=300)
        relay.lose = b"/outbox HTTP"
        first = await channel.deliver(parcel())
        relay.lose = None
        outcomes = [first, *await deliver(channel, again())]
    assert isinstance(outcomes[-1], Accepted)
    allowed = {
        "host", "accept", "accept-encoding", "user-agent", "authorization", "content-type",
        "content-length", "mex-to", "mex-workflowid", "mex-localid", "mex-chunk-range",
        "mex-content-encrypted", "mex-content-checksum", "mex-content-type",
    }  # fmt: skip
    assert len(relay.heads) >= 3
    for head in relay.heads:
        line, *headers = head.split("\r\n")
        line = line[line.index(line.split(" ")[0]) :]
        said = {name.lower(): text for name, _, text in (one.partition(": ") for one in headers)}
        assert set(said) <= allowed
        for secret in (PASSWORD, SHARED_KEY, "in-reach", "c2VhbGVk", "tlog-proof"):
            assert secret not in head
        assert said.get("mex-localid", ALERT) == ALERT
        assert said.get("mex-to", THEIRS) == THEIRS
    told = repr(outcomes) + repr(channel) + "".join(one.getMessage() for one in caplog.records)
    for secret in (PASSWORD, SHARED_KEY, THEIRS, "c2VhbGVk"):
        assert secret not in told


async def _event(sandbox: Sandbox, message_id: str, status: str) -> None:
    await asyncio.to_thread(
        post, f"{sandbox.url}/admin/message/{message_id}/event", {"status": status}
    )
