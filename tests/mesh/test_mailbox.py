"""The client of a MESH mailbox, against NHS England's sandbox and against NHS England's client."""

import asyncio
import gzip
import hashlib
import random
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from gateway.channels.addresses import BadAddress
from gateway.channels.outbound import OutboundPolicy
from gateway.mesh_mailbox.client import MeshMailbox
from gateway.mesh_mailbox.content import checked
from gateway.mesh_mailbox.messages import (
    BadMailbox,
    MeshAccount,
    Outgoing,
    check_mailbox_id,
    check_workflow_id,
    token,
)
from gateway.mesh_mailbox.trouble import MeshGone, MeshRefusal, MeshTrouble, MeshUnreadable
from tests.mesh.sandbox import (
    OURS,
    PASSWORD,
    SHARED_KEY,
    THEIRS,
    WORKFLOW,
    Sandbox,
    a_mailbox,
    independent_client,
)

BOUND = 256 * 1024
ACCOUNT = MeshAccount(mailbox=OURS, password=PASSWORD, shared_key=SHARED_KEY)


def outgoing(body: bytes = b"sealed", **changes: Any) -> Outgoing:
    members: dict[str, Any] = {
        "to": THEIRS,
        "workflow_id": WORKFLOW,
        "local_id": "alt_0001",
        "content_type": "application/cloudevents+json",
        "body": body,
    }
    return Outgoing(**(members | changes))


# What every request carries.


def test_the_token_is_the_one_that_the_independent_client_makes() -> None:
    theirs = independent_client().AuthTokenGenerator(SHARED_KEY.encode(), OURS, PASSWORD)
    for count in range(3):
        said = theirs.generate_token()
        _, _, nonce, _, minute, _ = said.replace(" ", ":").split(":")
        at = datetime.strptime(minute, "%Y%m%d%H%M").replace(tzinfo=UTC)
        assert token(ACCOUNT, nonce=nonce, count=count, at=at) == said


def test_the_time_in_the_token_is_utc() -> None:
    summer = datetime(2026, 6, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert ":202605312330:" in token(ACCOUNT, nonce="n", count=0, at=summer)


async def test_no_two_requests_carry_the_same_nonce_and_count(
    sandbox: Sandbox, ours: MeshMailbox
) -> None:
    tokens = {ours._token() for _ in range(5)}
    assert len(tokens) == 5
    assert {one.split(":")[1] for one in tokens} == {"nonce-0"}


def test_the_secrets_are_not_in_the_account_as_printed() -> None:
    assert PASSWORD not in repr(ACCOUNT)
    assert SHARED_KEY not in repr(ACCOUNT)


# Getting in.


async def test_a_handshake_proves_the_mailbox_is_ours(sandbox: Sandbox, ours: MeshMailbox) -> None:
    await ours.handshake()
    assert f"POST /messageexchange/{OURS} HTTP/1.1" in sandbox.log()


@pytest.mark.parametrize(
    "wrong", [{"shared_key": "other"}, {"password": "other"}, {"mailbox": "X26ABC9"}]
)
async def test_another_key_password_or_mailbox_is_turned_away(
    sandbox: Sandbox, wrong: dict[str, str]
) -> None:
    mailbox = a_mailbox(sandbox, **wrong)
    for asking in (mailbox.handshake(), mailbox.list_inbox(), mailbox.send(outgoing())):
        with pytest.raises(MeshTrouble, match=r"^mesh-403(-EPL-151)?$") as trouble:
            await asking
        assert not isinstance(trouble.value, MeshRefusal)
    await mailbox.close()


@pytest.mark.parametrize("url", ["http://mesh.example.org", "ftp://127.0.0.1", "https://user@x.y"])
def test_an_address_that_is_not_https_is_refused(sandbox: Sandbox, url: str) -> None:
    with pytest.raises(BadAddress):
        a_mailbox(sandbox, url=url)


async def test_only_where_the_policy_allows_is_anything_connected_to(sandbox: Sandbox) -> None:
    with pytest.raises(BadAddress):
        a_mailbox(sandbox, policy=OutboundPolicy())


async def test_nobody_there_is_trouble_without_doubt(sandbox: Sandbox) -> None:
    mailbox = a_mailbox(sandbox, url="http://127.0.0.1:1")
    with pytest.raises(MeshTrouble, match=r"^connect$") as trouble:
        await mailbox.send(outgoing())
    assert not trouble.value.outcome_unknown
    await mailbox.close()


# Sending, to an independent client.


async def test_what_is_sent_is_what_the_independent_client_receives(
    ours: MeshMailbox, peer: Any
) -> None:
    message_id = await ours.send(outgoing(b'{"sealed":1}'))
    assert await asyncio.to_thread(peer.list_messages) == [message_id]
    message = await asyncio.to_thread(peer.retrieve_message, message_id)
    assert message.read() == b'{"sealed":1}'
    assert (message.sender, message.workflow_id, message.local_id) == (OURS, WORKFLOW, "alt_0001")
    assert message.encrypted is True
    assert message.subject is None
    assert message.content_type == "application/cloudevents+json"
    assert message.mex_header("content-checksum") == (
        "sha256:" + hashlib.sha256(b'{"sealed":1}').hexdigest()
    )


@pytest.mark.parametrize("length", [99, 100, 101, 250, 1000])
async def test_a_message_longer_than_a_chunk_arrives_whole(
    sandbox: Sandbox, peer: Any, length: int
) -> None:
    mailbox = a_mailbox(sandbox, chunk_bytes=100)
    body = random.Random(length).randbytes(length)
    message_id = await mailbox.send(outgoing(body))
    message = await asyncio.to_thread(peer.retrieve_message, message_id)
    assert await asyncio.to_thread(message.read) == body
    theirs = a_mailbox(sandbox, THEIRS)
    assert (await theirs.fetch(message_id, max_bytes=length)).body == body
    assert sandbox.stored(THEIRS)[0]["total_chunks"] == -(-length // 100)
    await mailbox.close()
    await theirs.close()


async def test_an_unknown_recipient_is_refused_for_good(ours: MeshMailbox) -> None:
    with pytest.raises(MeshRefusal, match=r"^mesh-417-12$"):
        await ours.send(outgoing(to="X26NONE"))


async def test_an_empty_message_is_refused_for_good(ours: MeshMailbox) -> None:
    with pytest.raises(MeshRefusal, match=r"^mesh-417-02$"):
        await ours.send(outgoing(b""))


@pytest.mark.parametrize("text", ["", "AB", "X26 ABC", "X26ABC1\r\nMex-Subject: x", "../x", "É26"])
def test_what_is_not_a_mailbox_id_is_never_sent(text: str) -> None:
    with pytest.raises(BadMailbox):
        check_mailbox_id(text)


def test_mailbox_ids_are_compared_in_upper_case() -> None:
    assert check_mailbox_id("x26abc1") == "X26ABC1"


@pytest.mark.parametrize("text", ["", "A", "A B", "A\n", "é" * 5, "A" * 101])
def test_what_is_not_a_workflow_id_is_never_sent(text: str) -> None:
    with pytest.raises(BadMailbox):
        check_workflow_id(text)


async def test_a_local_id_that_could_break_a_header_is_never_sent(ours: MeshMailbox) -> None:
    with pytest.raises(ValueError, match="local id"):
        await ours.send(outgoing(local_id="a\r\nMex-To: X"))


# Tracking.


async def test_a_message_is_found_by_its_local_id_and_its_life_followed(
    sandbox: Sandbox, ours: MeshMailbox
) -> None:
    assert await ours.track("alt_0001") is None
    message_id = await ours.send(outgoing())
    tracked = await ours.track("alt_0001")
    assert tracked is not None
    assert (tracked.message_id, tracked.status, tracked.recipient) == (
        message_id, "accepted", THEIRS,
    )  # fmt: skip
    theirs = a_mailbox(sandbox, THEIRS)
    await theirs.acknowledge(message_id)
    await theirs.close()
    tracked = await ours.track("alt_0001")
    assert tracked is not None
    assert tracked.status == "acknowledged"


async def test_two_messages_of_one_local_id_cannot_be_told_apart(ours: MeshMailbox) -> None:
    await ours.send(outgoing())
    await ours.send(outgoing())
    with pytest.raises(MeshTrouble, match=r"^mesh-300$"):
        await ours.track("alt_0001")


async def test_a_message_half_sent_is_found_and_finished(sandbox: Sandbox, peer: Any) -> None:
    body = b"0123456789" * 3
    mailbox = a_mailbox(sandbox, chunk_bytes=10)
    await mailbox._ask(
        "POST", "/outbox", body=body[:10],
        headers={"Mex-To": THEIRS, "Mex-WorkflowID": WORKFLOW, "Mex-LocalID": "alt_0001",
                 "Mex-Chunk-Range": "1:3"},
    )  # fmt: skip
    tracked = await mailbox.track("alt_0001")
    assert tracked is not None
    assert tracked.status == "uploading"
    assert sandbox.waiting(THEIRS) == []
    await mailbox.send_rest(tracked.message_id, body)
    await mailbox.close()
    assert sandbox.waiting(THEIRS) == [tracked.message_id]
    message = await asyncio.to_thread(peer.retrieve_message, tracked.message_id)
    assert message.read() == body


# Receiving, from an independent client.


async def test_what_the_independent_client_sends_is_fetched_and_acknowledged(
    sandbox: Sandbox, ours: MeshMailbox, peer: Any
) -> None:
    sent = await asyncio.to_thread(
        peer.send_message, OURS, b'{"a":1}', workflow_id="MNS", local_id="L1", subject="never read"
    )
    assert await ours.list_inbox() == (sent,)
    message = await ours.fetch(sent, max_bytes=BOUND)
    assert (message.message_id, message.sender, message.workflow_id) == (sent, THEIRS, "MNS")
    assert (message.body, message.report) == (b'{"a":1}', None)
    assert await ours.list_inbox() == (sent,)
    await ours.acknowledge(sent)
    await ours.acknowledge(sent)
    assert await ours.list_inbox() == ()
    assert sandbox.waiting(OURS) == []


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("length", [10, 1000, 100_000])
async def test_chunks_and_transparent_compression_come_out_as_they_went_in(
    ours: MeshMailbox, peer: Any, compress: bool, length: int
) -> None:
    body = random.Random(length).randbytes(length // 2) * 2
    sent = await asyncio.to_thread(
        peer.send_message, OURS, body, workflow_id="W1", max_chunk_size=length // 3 + 1,
        compress=compress,
    )  # fmt: skip
    assert (await ours.fetch(sent, max_bytes=length)).body == body
    with pytest.raises(MeshUnreadable, match="too-large"):
        await ours.fetch(sent, max_bytes=length - 1)


async def test_content_that_its_sender_compressed_is_unpacked(ours: MeshMailbox, peer: Any) -> None:
    packed = gzip.compress(b'{"a":1}')
    sent = await asyncio.to_thread(
        peer.send_message, OURS, packed, workflow_id="W1", compressed=True
    )
    assert (await ours.fetch(sent, max_bytes=BOUND)).body == b'{"a":1}'


@pytest.mark.parametrize("settings", [{"compressed": True}, {"compress": True}])
async def test_a_bomb_is_refused_without_being_unpacked(
    ours: MeshMailbox, peer: Any, settings: dict[str, bool]
) -> None:
    bomb = gzip.compress(bytes(50_000_000)) if "compressed" in settings else bytes(50_000_000)
    sent = await asyncio.to_thread(peer.send_message, OURS, bomb, workflow_id="W1", **settings)
    tracemalloc.start()
    with pytest.raises(MeshUnreadable, match="too-large"):
        await ours.fetch(sent, max_bytes=BOUND)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * BOUND


async def test_more_messages_than_a_page_are_all_listed_once(
    sandbox: Sandbox, ours: MeshMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.mesh_mailbox.client._PAGE", 10)
    theirs = a_mailbox(sandbox, THEIRS)
    sent = [await theirs.send(outgoing(to=OURS, local_id=f"l{number}")) for number in range(25)]
    assert list(await ours.list_inbox()) == sent
    assert await ours.list_inbox(workflow_id="OTHER") == ()
    assert len(await ours.list_inbox(workflow_id=WORKFLOW)) == 25
    await theirs.close()


async def test_a_report_is_told_from_a_message(sandbox: Sandbox, ours: MeshMailbox) -> None:
    sandbox.report(OURS, about="M1", local_id="alt_0001")
    (listed,) = await ours.list_inbox()
    report = await ours.fetch(listed, max_bytes=BOUND)
    assert (report.report, report.local_id, report.body) == ("14", "alt_0001", b"")


async def test_a_message_that_is_not_there_is_gone(ours: MeshMailbox) -> None:
    for asking in (ours.fetch("NOSUCH", max_bytes=BOUND), ours.acknowledge("NOSUCH")):
        with pytest.raises(MeshGone):
            await asking


async def test_the_message_of_another_mailbox_is_not_fetched(
    sandbox: Sandbox, ours: MeshMailbox
) -> None:
    sent = await ours.send(outgoing())
    with pytest.raises(MeshTrouble, match=r"^mesh-403$"):
        await ours.fetch(sent, max_bytes=BOUND)


# Checks of content.


def headers(**stated: str) -> CIMultiDict[str]:
    return CIMultiDict({f"Mex-Content-{name}": text for name, text in stated.items()})


def test_a_checksum_that_names_its_function_is_checked_and_another_passed_over() -> None:
    good = "sha256:" + hashlib.sha256(b"body").hexdigest()
    assert checked(b"body", headers(Checksum=good), 10) == b"body"
    assert checked(b"body", headers(Checksum="b10a8db164e0754105b7a99be72e3fe5"), 10) == b"body"
    with pytest.raises(MeshUnreadable, match="checksum"):
        checked(b"bodY", headers(Checksum=good), 10)


def test_a_checksum_may_be_of_the_packed_or_of_the_plain_content() -> None:
    packed = gzip.compress(b"body")
    for summed in (packed, b"body"):
        stated = headers(Compressed="Y", Checksum="sha256:" + hashlib.sha256(summed).hexdigest())
        assert checked(packed, stated, 10) == b"body"


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(b"body")[:-3],
        gzip.compress(b"body") + b"tail",
        gzip.compress(b"body")[:10] + b"\xff" * 10,
        b"\x1f\x8b",
    ],
    ids=["cut", "more", "broken", "a start"],  # the bytes hold the time they were made
)
def test_content_flagged_as_gzip_that_is_not_whole_is_unreadable(packed: bytes) -> None:
    with pytest.raises(MeshUnreadable, match="gzip"):
        checked(packed, headers(Compressed="Y"), 100)


def test_a_flag_on_plain_content_changes_nothing() -> None:
    assert checked(b"{}", headers(Compressed="Y"), 10) == b"{}"
    assert checked(zlib.compress(b"x"), headers(Compressed="N"), 100) == zlib.compress(b"x")


# A server that does not keep to the form.


async def _against(answer: web.Response, asking: str, *arguments: Any, **named: Any) -> Any:
    status, body, headers = answer.status, answer.body, answer.headers.copy()

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)  # one is sent once

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    mailbox = a_mailbox(Sandbox(folder=None, port=port))  # type: ignore[arg-type]
    try:
        return await getattr(mailbox, asking)(*arguments, **named)
    finally:
        await mailbox.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"messages":3}', '{"messages":["../x"]}', '{"messages":[3]}', "\xff"]
)
async def test_a_list_in_another_form_is_trouble(body: str) -> None:
    with pytest.raises(MeshTrouble, match=r"^bad-reply$"):
        await _against(web.Response(text=body), "list_inbox")


async def test_a_redirect_is_not_followed() -> None:
    moved = web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})
    with pytest.raises(MeshTrouble, match=r"^mesh-307$"):
        await _against(moved, "list_inbox")


@pytest.mark.parametrize(
    ("status", "kind", "unknown"),
    [
        (400, MeshRefusal, False),
        (401, MeshTrouble, False),
        (404, MeshGone, False),
        (413, MeshRefusal, False),
        (417, MeshRefusal, False),
        (425, MeshTrouble, False),
        (429, MeshTrouble, False),
        (500, MeshTrouble, True),
        (502, MeshTrouble, True),
        (503, MeshTrouble, True),
        (504, MeshTrouble, True),
    ],
)
async def test_each_status_says_whether_to_try_again_and_whether_it_may_have_been_taken(
    status: int, kind: type[MeshTrouble], unknown: bool
) -> None:
    answer = web.Response(status=status, headers={"Retry-After": "7"})
    with pytest.raises(MeshTrouble, match=rf"^mesh-{status}$") as trouble:
        await _against(answer, "send", outgoing())
    assert type(trouble.value) is kind
    assert trouble.value.outcome_unknown is unknown
    if kind is MeshTrouble:
        assert trouble.value.after == timedelta(seconds=7)


async def test_an_acceptance_without_a_usable_id_leaves_the_outcome_unknown() -> None:
    for body in ("", "{}", '{"message_id":"a b"}'):
        with pytest.raises(MeshTrouble, match=r"^bad-reply$") as trouble:
            await _against(web.Response(status=202, text=body), "send", outgoing())
        assert trouble.value.outcome_unknown


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ({"Mex-Chunk-Range": "2:3"}, "chunk-range"),
        ({"Mex-Chunk-Range": "1:9999"}, "chunk-range"),
        ({"Mex-Chunk-Range": "x"}, "chunk-range"),
        ({"Mex-MessageType": "NEWS"}, "message-type"),
        ({"Content-Encoding": "br"}, "encoding"),
        ({"Content-Encoding": "gzip"}, "gzip"),
    ],
)
async def test_a_message_in_another_form_is_unreadable(stated: dict[str, str], code: str) -> None:
    answer = web.Response(body=b"plain", headers=stated)
    with pytest.raises(MeshUnreadable, match=rf"^{code}$"):
        await _against(answer, "fetch", "M1", max_bytes=BOUND)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"x" * 100_000},
        {"body": b"x", "headers": {"Content-Encoding": "br"}},
        {"body": b"x", "headers": {"Content-Encoding": "gzip"}},
    ],
)
async def test_an_answer_that_cannot_be_read_is_judged_by_its_status(
    answer: dict[str, Any],
) -> None:
    with pytest.raises(MeshRefusal, match=r"^mesh-417$"):
        await _against(web.Response(status=417, **answer), "send", outgoing())
    with pytest.raises(MeshTrouble, match=r"^mesh-503$") as trouble:
        await _against(web.Response(status=503, **answer), "send", outgoing())
    assert trouble.value.outcome_unknown
    with pytest.raises(MeshTrouble, match=r"^bad-reply$") as trouble:
        await _against(web.Response(status=202, **answer), "send", outgoing())
    assert trouble.value.outcome_unknown


async def test_a_chunk_out_of_its_place_is_unreadable() -> None:
    answer = web.Response(body=b"plain", headers={"Mex-Chunk-Range": "1:2"})
    with pytest.raises(MeshUnreadable, match=r"^chunk-range$"):
        await _against(answer, "fetch", "M1", max_bytes=BOUND)


async def test_an_error_that_quotes_what_was_sent_is_cut_down_to_its_code() -> None:
    words = '{"detail":[{"event":"SEND","code":"06","msg":"9990000018"}],"internal_id":"x"}'
    answer = web.Response(status=400, text=words, content_type="application/json")
    with pytest.raises(MeshRefusal, match=r"^mesh-400-06$"):
        await _against(answer, "send", outgoing())
    hostile = '{"errorCode":"9990000018 Specimen"}'
    with pytest.raises(MeshRefusal, match=r"^mesh-400$"):
        await _against(web.Response(status=400, text=hostile), "send", outgoing())
