"""The feed from a MESH mailbox: what is durable leaves the mailbox, and nothing else does."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.feeds.contract import Answer, Feed, FeedTrouble, Fetched
from gateway.feeds.mesh import MeshFeed
from gateway.mesh_mailbox.messages import BadMailbox
from tests.mesh.relay import Relay
from tests.mesh.sandbox import ANOTHER, OURS, THEIRS, Sandbox, a_mailbox
from tests.mesh.test_mailbox import outgoing

ACCEPTED, REFUSED, LATER = (
    Answer(verdict="accepted"),
    Answer(verdict="refused", reasons=("malformed-event", "$.id: required")),
    Answer(verdict="later", reasons=("behind",)),
)
BOUND = 256 * 1024


class Gateway:
    """Answers as told, and keeps what it was handed."""

    def __init__(self, answers: Sequence[Answer | Exception] = ()) -> None:
        self._answers = list(answers)
        self.handed: list[Fetched] = []

    async def hand_over(self, fetched: Fetched) -> Answer:
        self.handed.append(fetched)
        answer = self._answers.pop(0) if self._answers else ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.handed]


class Stop(Exception):
    """Ends a run after so many looks."""


def a_feed(sandbox: Sandbox, *, looks: int = 1, **changes: Any) -> MeshFeed:
    mailbox = {
        name: changes.pop(name) for name in ("shared_key", "policy", "url") if name in changes
    }
    left = iter(range(looks - 1))

    async def sleep(_seconds: float) -> None:
        if next(left, None) is None:
            raise Stop

    settings: dict[str, Any] = {
        "name": "health",
        "mailbox": a_mailbox(sandbox, **mailbox),
        "senders": frozenset({THEIRS}),
        "poll_s": 300,
        "max_bytes": BOUND,
        "sleep": sleep,
    }
    return MeshFeed(**(settings | changes))


async def run(feed: MeshFeed, gateway: Gateway) -> None:
    try:
        with pytest.raises(Stop):
            await feed.run(gateway.hand_over)
    finally:
        await feed.close()


async def send(peer: Any, body: bytes = b'{"a":1}', **changes: Any) -> str:
    settings = {"workflow_id": "MNS"} | changes
    sent = await asyncio.to_thread(peer.send_message, OURS, body, **settings)
    return str(sent)


async def test_messages_are_handed_over_in_order_and_acknowledged(
    sandbox: Sandbox, peer: Any
) -> None:
    sent = [await send(peer, b"%d" % number) for number in range(3)]
    gateway = Gateway()
    await run(a_feed(sandbox), gateway)
    assert [one.message_id for one in gateway.handed] == sent
    assert gateway.bodies == [b"0", b"1", b"2"]
    assert sandbox.waiting(OURS) == []


async def test_nothing_is_acknowledged_before_it_is_durable(sandbox: Sandbox, peer: Any) -> None:
    sent = await send(peer)
    seen: list[list[str]] = []

    async def hand_over(_fetched: Fetched) -> Answer:
        seen.append(sandbox.waiting(OURS))
        return ACCEPTED

    feed = a_feed(sandbox)
    with pytest.raises(Stop):
        await feed.run(hand_over)
    await feed.close()
    assert seen == [[sent]]


async def test_what_is_refused_stays_and_is_fetched_once_a_run(sandbox: Sandbox, peer: Any) -> None:
    refused = await send(peer, b"refused")
    taken = await send(peer, b"taken")
    gateway = Gateway([REFUSED])
    with capture_logs() as lines:
        await run(a_feed(sandbox, looks=4), gateway)
    assert gateway.bodies == [b"refused", b"taken"]
    assert sandbox.waiting(OURS) == [refused]
    (line,) = [one for one in lines if one["log_level"] == "warning"]
    assert (line["mesh_id"], line["code"]) == (refused, "malformed-event")
    assert taken not in str(lines)
    again = Gateway()
    await run(a_feed(sandbox), again)  # a new run looks at it again: it may be understood by now
    assert again.bodies == [b"refused"]
    assert sandbox.waiting(OURS) == []


async def test_later_ends_this_look_and_the_next_begins_with_the_same_message(
    sandbox: Sandbox, peer: Any
) -> None:
    sent = [await send(peer, b"%d" % number) for number in range(2)]
    gateway = Gateway([LATER])
    await run(a_feed(sandbox), gateway)
    assert gateway.bodies == [b"0"]
    assert sandbox.waiting(OURS) == sent
    gateway = Gateway([LATER, LATER])
    await run(a_feed(sandbox, looks=3), gateway)
    assert gateway.bodies == [b"0", b"0", b"0", b"1"]
    assert sandbox.waiting(OURS) == []


async def test_a_crash_between_hand_over_and_acknowledgement_hands_over_the_same_again(
    sandbox: Sandbox, peer: Any
) -> None:
    sent = await send(peer)
    feed, gateway = a_feed(sandbox), Gateway()
    handed = asyncio.Event()

    async def hand_over(fetched: Fetched) -> Answer:
        await gateway.hand_over(fetched)
        handed.set()
        await asyncio.Event().wait()  # durable by now; killed before it could say so
        raise AssertionError

    running = asyncio.ensure_future(feed.run(hand_over))
    await handed.wait()
    running.cancel()
    assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], BaseException)
    await feed.close()
    assert sandbox.waiting(OURS) == [sent]
    await run(a_feed(sandbox), gateway)
    first, second = gateway.handed
    assert first == second == Fetched(message_id=sent, body=b'{"a":1}')
    assert sandbox.waiting(OURS) == []


async def test_a_fault_while_handing_over_acknowledges_nothing(sandbox: Sandbox, peer: Any) -> None:
    sent = await send(peer)
    feed = a_feed(sandbox)
    with pytest.raises(ZeroDivisionError):
        await feed.run(Gateway([ZeroDivisionError()]).hand_over)
    await feed.close()
    assert sandbox.waiting(OURS) == [sent]


async def test_the_sandbox_going_down_before_the_acknowledgement_is_trouble_and_no_loss(
    one_sandbox: Sandbox, sandbox: Sandbox, peer: Any
) -> None:
    sent = await send(peer)
    feed, gateway = a_feed(sandbox), Gateway()

    async def hand_over(fetched: Fetched) -> Answer:
        sandbox.stop()
        return await gateway.hand_over(fetched)

    with pytest.raises(FeedTrouble, match=r"^(connect|connection-lost)$"):
        await feed.run(hand_over)
    await feed.close()
    one_sandbox.start()
    assert sandbox.waiting(OURS) == [sent]
    await run(a_feed(sandbox), gateway)
    assert [one.message_id for one in gateway.handed] == [sent, sent]
    assert sandbox.waiting(OURS) == []


async def test_a_message_mesh_cannot_hand_over_holds_up_no_other(
    sandbox: Sandbox, peer: Any
) -> None:
    sent = [await send(peer, b"%d" % number) for number in range(3)]
    async with Relay(sandbox.port) as relay:
        relay.lose = f"/inbox/{sent[0]} ".encode()
        feed, gateway = a_feed(sandbox, url=relay.url), Gateway()
        for _ in range(2):
            with pytest.raises(FeedTrouble, match=r"^connection-lost$"):
                await feed.run(gateway.hand_over)
        assert gateway.bodies == [b"1", b"2"]
        assert sandbox.waiting(OURS) == [sent[0]]
        relay.lose = None
        await run(feed, gateway)
    assert gateway.bodies == [b"1", b"2", b"0"]
    assert sandbox.waiting(OURS) == []


async def test_only_the_named_senders_are_taken_from(sandbox: Sandbox, peer: Any) -> None:
    stranger = a_mailbox(sandbox, ANOTHER)
    foreign = await stranger.send(outgoing(b"forged", to=OURS))
    await stranger.close()
    await send(peer)
    gateway = Gateway()
    with capture_logs() as lines:
        await run(a_feed(sandbox, looks=2), gateway)
    assert gateway.bodies == [b'{"a":1}']
    assert sandbox.waiting(OURS) == [foreign]
    assert [one["code"] for one in lines] == ["sender-unknown"]


async def test_a_report_is_logged_with_the_alert_it_is_about_and_is_no_event(
    sandbox: Sandbox,
) -> None:
    sandbox.report(OURS, about="M1", local_id="alt_0193f2b0-7b1e")
    sandbox.report(OURS, about="M2", local_id="Arthur Specimen 9990000018")
    gateway = Gateway()
    with capture_logs() as lines:
        await run(a_feed(sandbox, looks=2), gateway)
    assert gateway.handed == []
    assert sandbox.waiting(OURS) == []
    assert [(one["alert"], one["code"], one["log_level"]) for one in lines] == [
        ("alt_0193f2b0-7b1e", "mesh-report-14", "error"),
        (None, "mesh-report-14", "error"),
    ]
    assert "Specimen" not in str(lines)
    assert "subject" not in str(lines)


async def test_a_message_too_long_or_unreadable_stays_and_stops_no_other(
    sandbox: Sandbox, peer: Any
) -> None:
    long = await send(peer, b"x" * (BOUND + 1))
    wrong = await send(peer, b"{}", checksum="sha256:" + "0" * 64)
    await send(peer, b"good")
    gateway = Gateway()
    with capture_logs() as lines:
        await run(a_feed(sandbox, looks=2), gateway)
    assert gateway.bodies == [b"good"]
    assert sandbox.waiting(OURS) == [long, wrong]
    assert [(one["mesh_id"], one["code"]) for one in lines] == [
        (long, "too-large"),
        (wrong, "checksum"),
    ]


async def test_a_chunked_and_compressed_message_is_handed_over_whole(
    sandbox: Sandbox, peer: Any
) -> None:
    body = b'{"a":"' + b"b" * 10_000 + b'"}'
    await send(peer, body, max_chunk_size=1000, compress=True)
    gateway = Gateway()
    await run(a_feed(sandbox), gateway)
    assert gateway.bodies == [body]


async def test_a_workflow_named_is_the_only_one_taken(sandbox: Sandbox, peer: Any) -> None:
    other = await send(peer, b"other", workflow_id="OTHER")
    await send(peer, b"mine", workflow_id="MNS")
    gateway = Gateway()
    await run(a_feed(sandbox, workflow_id="MNS"), gateway)
    assert gateway.bodies == [b"mine"]
    assert sandbox.waiting(OURS) == [other]


async def test_a_wrong_shared_key_is_trouble_by_its_code(sandbox: Sandbox) -> None:
    feed = a_feed(sandbox, shared_key="other")
    with pytest.raises(FeedTrouble, match=r"^mesh-403$"):
        await feed.run(Gateway().hand_over)
    await feed.close()


async def test_nobody_there_is_trouble_by_its_code(sandbox: Sandbox) -> None:
    feed = a_feed(sandbox, url="http://127.0.0.1:1")
    with pytest.raises(FeedTrouble, match=r"^connect$"):
        await feed.run(Gateway().hand_over)
    await feed.close()


async def test_the_mailbox_is_validated_again_well_within_a_day(sandbox: Sandbox) -> None:
    feed = a_feed(sandbox, looks=25, poll_s=3600)
    await run(feed, Gateway())
    looked = sandbox.log().count(f"GET /messageexchange/{OURS}/inbox")
    validated = sandbox.log().count(f"POST /messageexchange/{OURS} HTTP")
    assert (looked, validated) == (25, 5)


@pytest.mark.parametrize("senders", [frozenset[str](), frozenset({"not a mailbox"})])
async def test_a_feed_without_a_sender_is_not_built(
    sandbox: Sandbox, senders: frozenset[str]
) -> None:
    with pytest.raises((ValueError, BadMailbox)):
        a_feed(sandbox, senders=senders)


async def test_it_is_a_feed(sandbox: Sandbox) -> None:
    feed: Feed = a_feed(sandbox)
    assert feed.name == "health"
    await feed.close()
