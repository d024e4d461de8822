"""Whatever a receiver of several alerts at once does, each ends as it was recorded, in its turn.

The receiver chokes on some alerts, refuses others by name, hangs, breaks its answer off, cuts the
line, with and without having kept what came. Its own book is compared with the gateway's.
"""

import asyncio
import contextlib
import datetime as dt
import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from gateway.channels.contract import Together
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.webhook import WebhookChannel
from gateway.model.disclosure import Parcel
from gateway.model.ids import EndpointId
from gateway.model.party import Endpoint
from keys.signing import SigningKey
from keys.webhook_signature import sign, verify
from tests.channels.parcels import NOW, clock
from tests.channels.scripted import listening
from tests.gateway.delivering import Channel, Scene, endpoint_of, scene
from tests.gateway.test_deliver_batch import backlog
from tests.gateway.test_deliver_lanes import logged
from tests.support.night import LONG

pytestmark = pytest.mark.faults

ALERTS: Final = 150
PERSONS: Final = 50
TOGETHER: Final = 40
TIMEOUT_S: Final = 0.4
POISON: Final = frozenset({"alt_r_023", "alt_r_071", "alt_r_072", "alt_r_140"})
OK: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Receiver:
    """A receiver that misbehaves by the dice, and knows what it kept and what it said."""

    chance: random.Random
    public: str
    posts: list[list[str]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    sure: set[str] = field(default_factory=set)  # said to have been taken, in an answer that came
    alone: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
            fields = [line.partition(": ") for line in head]
            headers = {name.lower(): value for name, _, value in fields}
            body = await reader.readexactly(int(headers["content-length"]))
            verify(
                [self.public],
                message_id=headers["webhook-id"],
                timestamp=headers["webhook-timestamp"],
                signature=headers["webhook-signature"],
                body=body,
                now=int(NOW),
            )
            told = json.loads(body)
            events = told if isinstance(told, list) else [told]
            if not await self._answer([event["id"] for event in events], writer):
                return

    async def _answer(self, alerts: list[str], writer: asyncio.StreamWriter) -> bool:
        self.posts.append(alerts)
        if len(alerts) == 1:
            self.alone[alerts[0]] += 1
        if any(alert in POISON and self.alone[alert] < 3 for alert in alerts):
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
            return True
        deed = self.chance.choices(
            ["take", "part", "hang", "cut-answer", "cut", "busy"], [6, 4, 1, 3, 1, 1]
        )[0]
        if self.chance.random() < 0.5 and deed in {"hang", "cut-answer", "cut"}:
            self.kept.update(alerts)  # and nobody is told
        if deed == "hang":
            await asyncio.sleep(2 * TIMEOUT_S)
        elif deed == "cut-answer":
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"rejected": [{"id": "a')
            if len(alerts) == 1:  # its status line says it all
                self._keep(alerts)
        elif deed == "busy":
            writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        elif deed == "part" and len(alerts) > 1:
            refused = self.chance.sample(alerts, self.chance.randrange(1, len(alerts)))
            said = json.dumps({"rejected": [{"id": one, "reason": "full"} for one in refused]})
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n"
            writer.write((head + said).encode())
            self._keep([alert for alert in alerts if alert not in refused])
        elif deed != "cut":
            writer.write(OK)
            self._keep(alerts)
        await writer.drain()
        await asyncio.sleep(0)
        return deed in {"take", "part", "busy"}

    def _keep(self, alerts: Sequence[str]) -> None:
        self.kept.update(alerts)
        self.sure.update(alerts)


class Noting(Channel):
    """The channel itself, noting what is under way."""

    def __init__(self, inner: WebhookChannel) -> None:
        super().__init__(inner.deliver)
        self._inner = inner

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        keys = {(parcel.alert, parcel.endpoint) for parcel in parcels}
        assert keys.isdisjoint(self._under_way)
        self._under_way |= keys
        self.parcels += parcels
        try:
            return await self._inner.deliver_together(parcels, most_bytes=most_bytes)
        finally:
            self._under_way -= keys


@contextlib.asynccontextmanager
async def _closing(channel: WebhookChannel) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await channel.close()


@contextlib.asynccontextmanager
async def hostile(path: Path, seed: int) -> AsyncIterator[tuple[Scene, Receiver]]:
    key = SigningKey.generate()
    receiver = Receiver(chance=random.Random(seed), public=key.public_text)
    inner = WebhookChannel(
        source="urn:throughgate:test",
        sign=lambda _endpoint, alert, at, body: sign([key], alert, at, body),
        policy=OutboundPolicy(allowed_networks=(ip_network("127.0.0.0/8"),), allow_plain_http=True),
        ssl_context=None,
        clock=clock,
        timeout_s=TIMEOUT_S,
    )
    channel = Noting(inner)

    def at_home(id_: EndpointId) -> Endpoint:
        url = f"http://127.0.0.1:{server.port}/hook"
        return replace(endpoint_of(id_), address=url, batches=TOGETHER)

    async with (
        listening(receiver.serve) as server,
        _closing(inner),
        scene(
            path,
            channels={"webhook": channel},
            endpoint_of=at_home,
            give_up_after=dt.timedelta(days=30),
        ) as stage,
    ):
        yield replace(stage, channel=channel), receiver


@pytest.mark.parametrize("seed", [1, 2, 3] if LONG else [1])
async def test_every_alert_ends_as_it_was_recorded(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "throughgate.db"
    async with hostile(path, seed) as (stage, receiver):
        await backlog(stage, ALERTS, persons=PERSONS)
        async with asyncio.timeout(40):
            while set(stage.states().values()) != {"accepted"}:
                await stage.pass_time(30, step=10)
    alerts = {f"alt_r_{number:03}" for number in range(ALERTS)}
    assert receiver.sure == alerts, "accepted is only what was said to be taken"
    entries = logged(path)
    accepted = Counter(one["alert"] for one in entries if one["outcome"] == "accepted")
    assert accepted == Counter(alerts), "each once"
    seen = Counter(alert for post in receiver.posts for alert in post)
    tried = Counter(str(one["alert"]) for one in entries)
    assert all(seen[alert] <= tried[alert] for alert in alerts), "every attempt is in the log"
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in entries:
        numbers[str(one["alert"])].append(int(one["number"]))
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())
    check_order(receiver.posts)
    assert max(map(len, receiver.posts)) > TOGETHER // 2


def check_order(posts: Sequence[Sequence[str]]) -> None:
    """No alert is seen before the last attempt at an earlier one about the same person."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, post in enumerate(posts):
        assert len({int(alert[6:]) % PERSONS for alert in post}) == len(post)
        for alert in post:
            first.setdefault(alert, number)
            last[alert] = number
    for alert, began in first.items():
        earlier = f"alt_r_{int(alert[6:]) - PERSONS:03}"
        assert last.get(earlier, -1) < began
