"""The MLLP feed on a real socket: strict framing, answers, bounds, and who may connect."""

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import hl7
import pytest
import trustme
import uvloop
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection
from structlog.testing import capture_logs

from adapters.contract import Adapter, Inbound, Translation
from adapters.systmone import ADAPTER as SYSTMONE
from gateway import clock
from gateway.config import BadConfig, Config
from gateway.config.feeds import MllpFeedConfig
from gateway.feeds.build import build_sources
from gateway.feeds.contract import Answer, FeedTrouble, Fetched
from gateway.feeds.mllp import CR, FS, VT, MllpFeed
from tests import canaries
from tests.docs.pages import ROOT
from tests.feeds.scripted import background, until
from tests.feeds.ward import adt
from tests.third_party import vectors

ACCEPTED = Answer(verdict="accepted")
REFUSED = Answer(verdict="refused", reasons=("malformed-event", "$.PID: required"))


LINES = Adapter(
    name="lines",
    title="Anything",
    inbound=Inbound(media_types=(), translate=lambda _body, _source: Translation(events=())),
)


class Listener:
    """A listening feed, and what it handed over."""

    def __init__(self, feed: MllpFeed) -> None:
        self.feed = feed
        self.given: list[Fetched] = []
        self.answer: Callable[[bytes], Answer] = lambda _body: ACCEPTED

    @property
    def port(self) -> int:
        assert self.feed.port is not None
        return self.feed.port

    async def take(self, fetched: Fetched) -> Answer:
        self.given.append(fetched)
        return self.answer(fetched.body)

    async def exchange(self, sent: bytes, *, end: bool = False) -> bytes:
        """Send bytes and return everything that comes back until the other side closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(sent)
            if end:
                writer.write_eof()
            with contextlib.suppress(ConnectionError):
                return await asyncio.wait_for(reader.read(), timeout=10)
            return b""
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def listening(**changes: Any) -> AsyncIterator[Listener]:
    stated: dict[str, Any] = {
        "kind": "mllp", "name": "ward", "agency": "a", "adapter": "lines", "port": 0,
    }  # fmt: skip
    config = MllpFeedConfig.model_validate(stated | changes)
    own = Config.model_validate({"instance": {"name": "throughgate.example/x"}, "feed": [config]})
    [source] = build_sources(own, {"lines": LINES}, clock=clock.now, new_id=clock.new_id)
    assert isinstance(source.feed, MllpFeed)
    listener = Listener(source.feed)
    async with background(listener.feed.run(listener.take)):
        await until(lambda: listener.feed.port is not None)
        yield listener
    assert listener.feed.port is None


async def test_an_independent_client_gets_its_acknowledgements() -> None:
    async with listening() as ward:
        reader, writer = await open_hl7_connection("127.0.0.1", ward.port)
        for n in range(3):
            writer.writemessage(hl7.parse(adt(f"evt-{n}").decode()))
            await writer.drain()
            ack = await asyncio.wait_for(reader.readmessage(), timeout=10)
            assert (str(ack["MSA.F1"]), str(ack["MSA.F2"])) == ("AA", f"evt-{n}")
        writer.close()
    assert ward.given[0].body == adt("evt-0")
    assert ward.given[0].message_id == hashlib.sha256(adt("evt-0")).hexdigest()


async def test_a_blocking_client_does_too() -> None:
    def send(port: int) -> bytes:
        with MLLPClient("127.0.0.1", port) as client:
            return bytes(client.send_message(adt()))

    async with listening() as ward:
        back = await asyncio.to_thread(send, ward.port)
    assert back.startswith(VT + b"MSH|^~\\&|")
    assert b"\rMSA|AA|evt-1|\r" in back
    assert back.endswith(CR + FS + CR)


async def test_messages_sent_together_are_taken_in_turn() -> None:
    async with listening() as ward:
        frames = b"".join(VT + adt(f"evt-{n}") + FS + CR for n in range(5))
        back = await ward.exchange(frames, end=True)
    assert [one.split(b"|")[2] for one in back.split(b"\rMSA")[1:]] == [
        f"evt-{n}".encode() for n in range(5)
    ]
    assert [one.body for one in ward.given] == [adt(f"evt-{n}") for n in range(5)]


async def test_what_is_refused_is_answered_and_the_connection_goes_on() -> None:
    async with listening() as ward:
        ward.answer = lambda body: REFUSED if b"bad" in body else ACCEPTED
        back = await ward.exchange(VT + adt("bad") + FS + CR + VT + adt("good") + FS + CR, end=True)
    assert b"\rMSA|AE|bad|malformed-event\r" in back
    assert b"\rMSA|AA|good|\r" in back


async def test_what_is_not_hl7_is_rejected_and_the_connection_closed() -> None:
    async with listening() as ward:
        back = await ward.exchange(VT + b'{"not": "hl7"}' + FS + CR + VT + adt() + FS + CR)
    assert b"\rMSA|AR||not-hl7\r" in back
    assert ward.given == []


async def test_what_comes_later_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.feeds.mllp.PAUSE_S", 0.01)
    async with listening() as ward:
        ward.answer = lambda _body: Answer(verdict="later", reasons=("behind",))
        assert await ward.exchange(VT + adt() + FS + CR) == b""
        ward.answer = lambda _body: ACCEPTED
        assert b"MSA|AA|evt-1" in await ward.exchange(VT + adt() + FS + CR, end=True)
    assert ward.given[0] == ward.given[1]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"x" + VT + adt() + FS + CR, "junk-before-frame"),
        (b"\r\n" + VT + adt() + FS + CR, "junk-before-frame"),
        (adt(), "junk-before-frame"),
        (VT + VT + adt() + FS + CR, "bad-frame"),
        (VT + adt() + VT + adt() + FS + CR, "bad-frame"),
        (VT + adt() + FS + b"\n", "bad-frame"),
        (VT + adt() + FS + VT + adt() + FS + CR, "bad-frame"),
        (VT + adt() + FS + FS + CR, "bad-frame"),
        (VT + b"MSH" + b"x" * 3 * 1024 * 1024, "too-long"),
    ],
)
async def test_whoever_breaks_the_framing_is_cut_off_unanswered(sent: bytes, code: str) -> None:
    with capture_logs() as lines:
        async with listening() as ward:
            assert await ward.exchange(sent) == b""
            await until(lambda: any(line["event"] == "connection closed" for line in lines))
    assert ward.given == []
    assert [line["code"] for line in lines if line["event"] == "connection closed"] == [code]
    assert canaries.found_in(str(lines)) == []


async def test_the_collected_probes_hand_nothing_over() -> None:
    probes = json.loads(vectors("own-probes/hl7-injection.json").read_bytes())
    async with listening(message_timeout_s=0.5) as ward:
        for frame in probes["mllp_frames_b64"]:
            assert await ward.exchange(base64.b64decode(frame), end=True) == b""
        assert ward.given == []
        for text in probes["messages"]:
            back = await ward.exchange(VT + text.encode() + FS + CR, end=True)
            assert back.count(VT) == back.count(FS) == 1
            assert (b"MSA|AR||not-hl7" in back) == (not text.startswith("MSH|^~\\&|A|B|"))
        for value in probes["field_values_to_encode"]:
            back = await ward.exchange(VT + adt(value) + FS + CR, end=True)
            assert back.count(b"\rMSA") <= 1
            assert b"EVIL" not in back.split(b"\rMSA")[0]


async def test_a_slow_sender_and_a_silent_one_are_let_go() -> None:
    async with listening(message_timeout_s=0.2, idle_timeout_s=0.3) as ward:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await ward.exchange(VT + b"MSH|^~\\&|") == b""
        assert await ward.exchange(b"") == b""
        assert loop.time() - began < 5
    assert ward.given == []


async def test_drop_by_drop_is_no_faster_than_the_bound() -> None:
    async with listening(message_timeout_s=0.3) as ward:
        reader, writer = await asyncio.open_connection("127.0.0.1", ward.port)
        writer.write(VT)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"M")
                await writer.drain()
                await asyncio.sleep(0.05)
                if reader.at_eof():
                    break
        assert reader.at_eof() or writer.is_closing()
        writer.close()


async def test_there_are_only_so_many_connections() -> None:
    async with listening(max_connections=2) as ward:
        held = [await asyncio.open_connection("127.0.0.1", ward.port) for _ in range(2)]
        await until(lambda: len(ward.feed._connections) == 2)
        assert await ward.exchange(VT + adt() + FS + CR) == b""
        for _, writer in held:
            writer.close()
        await until(lambda: len(ward.feed._connections) == 0)
        assert b"MSA|AA" in await ward.exchange(VT + adt() + FS + CR, end=True)


async def test_a_connection_that_is_open_does_not_keep_the_feed_from_ending() -> None:
    async with listening() as ward:
        reader, writer = await asyncio.open_connection("127.0.0.1", ward.port)
        await until(lambda: len(ward.feed._connections) == 1)
    assert await asyncio.wait_for(reader.read(), timeout=5) == b""
    writer.close()


async def test_a_port_that_is_taken_is_trouble() -> None:
    async with listening() as ward:
        taken = ward.feed._config.model_copy(update={"port": ward.port})
        second = MllpFeed(taken, tls=None, clock=clock.now, new_id=clock.new_id)
        with pytest.raises(FeedTrouble, match="cannot-listen"):
            await asyncio.wait_for(second.run(ward.take), timeout=10)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = made.issue_cert("gateway.example")
    own.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    own.private_key_pem.write_to_path(tmp_path / "server-key.pem")
    return made


def server_files(folder: Path, **more: object) -> dict[str, object]:
    return {
        "tls_certificate": folder / "server.pem",
        "tls_key": folder / "server-key.pem",
        "client_ca_file": folder / "ca.pem",
    } | more


def client(authority: trustme.CA, certificate: trustme.LeafCert | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def over_tls(port: int, context: ssl.SSLContext) -> bytes:
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="gateway.example"
        )
        writer.write(VT + adt() + FS + CR)
        back = await asyncio.wait_for(reader.readuntil(FS), timeout=10)
        writer.close()
    except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
        return b""
    return back


async def test_only_a_client_of_the_authority_and_of_that_name_is_heard(
    tmp_path: Path, authority: trustme.CA
) -> None:
    right, wrong = authority.issue_cert("ward.example"), authority.issue_cert("other.example")
    stranger = trustme.CA().issue_cert("ward.example")
    async with listening(**server_files(tmp_path, client_name="Ward.example")) as ward:
        assert b"MSA|AA|evt-1" in await over_tls(ward.port, client(authority, right))
        assert len(ward.given) == 1
        for certificate in (wrong, stranger, None):
            assert await over_tls(ward.port, client(authority, certificate)) == b""
        assert await ward.exchange(VT + adt() + FS + CR, end=True) in (b"", b"\x15\x03\x03")
    assert len(ward.given) == 1


async def test_without_a_name_any_client_of_the_authority_is(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with listening(**server_files(tmp_path)) as ward:
        certificate = authority.issue_cert("anything.example")
        assert b"MSA|AA|evt-1" in await over_tls(ward.port, client(authority, certificate))
        assert await over_tls(ward.port, client(authority, None)) == b""


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"host": "0.0.0.0"}, "beyond loopback"),
        ({"host": "0.0.0.0", "tls_certificate": "a", "tls_key": "b"}, "beyond loopback"),
        ({"tls_certificate": "a"}, "go together"),
        ({"client_ca_file": "a"}, "needs tls_certificate"),
        ({"client_name": "a"}, "needs client_ca_file"),
        ({"adapter": None}, "needs one that reads HL7"),
    ],
)
def test_a_configuration_that_would_hear_anyone_is_refused(
    stated: dict[str, str], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        MllpFeedConfig.model_validate(
            {"kind": "mllp", "name": "w", "agency": "a", "adapter": "x", "port": 1, **stated}
        )


def test_files_that_are_no_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="feed ward: tls_certificate"):
        asyncio.run(_listen_with(server_files(tmp_path)))


async def _listen_with(files: dict[str, object]) -> None:
    async with listening(**files):
        pass


def test_the_loop_that_serves_does_the_same(tmp_path: Path, authority: trustme.CA) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_messages_sent_together_are_taken_in_turn())
        runner.run(test_a_connection_that_is_open_does_not_keep_the_feed_from_ending())
        runner.run(test_there_are_only_so_many_connections())
        runner.run(test_a_slow_sender_and_a_silent_one_are_let_go())
        runner.run(
            test_only_a_client_of_the_authority_and_of_that_name_is_heard(tmp_path, authority)
        )


async def test_what_systmone_sends_comes_through_the_socket_to_its_adapter() -> None:
    messages = [
        message
        for file in sorted((ROOT / "docs/examples/adapters/systmone").glob("*.in.hl7"))
        for message in SYSTMONE.inbound.split((file.read_bytes(),))  # type: ignore[union-attr]
    ]
    assert len(messages) >= 3
    events = 0
    async with listening() as ward:
        for message in messages:
            back = await ward.exchange(VT + message + FS + CR, end=True)
            field = message[3:4]
            assert field.join([b"\rMSA", b"AA", message.split(field)[9], b""]) in back
    for one, message in zip(ward.given, messages, strict=True):
        assert one.body == message
        events += len(SYSTMONE.translate(one.body, source="urn:example:ward").events)
    assert events >= len(messages)
