"""A night at the gateway: a clock that a test sets, real receivers, and what each of them got."""

import asyncio
import contextlib
import datetime as dt
import os
import random
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import orjson

from gateway import clock
from gateway.answering import Answering
from gateway.audit.findings import Auditor
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import Caps, NotifyProvider, Rule, SmsChannel
from gateway.channels.sms.reply import read_reply
from gateway.channels.webhook import WebhookChannel
from gateway.config import Config
from gateway.consequences import Consequences, Follows
from gateway.deliver import Deliverer, Delivering
from gateway.demo.cast import AREA
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.notify import NotifyServer
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.escalate import Escalating, Escalator
from gateway.instance import VKEY_NAME, create, load_keys, load_law
from gateway.links import Links
from gateway.model.event import parse_cloudevent
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Agency, ChannelName, Endpoint, QuietHours, Recipient
from gateway.model.posted import Posted
from gateway.registration import register_agency, register_recipients
from gateway.store.decisions import commit, rows_of
from gateway.store.owed import Owed
from gateway.store.store import Store
from keys import hpke
from keys.seal import open_sealed
from keys.signing import SigningKey
from keys.webhook_signature import sign
from tests.gateway_in_process import URN, planned_release
from tests.support.trusted import trusted

TWO = dt.datetime(2026, 11, 20, 2, 0, tzinfo=dt.UTC)  # London is on UTC then
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
TEMPLATE_ID = "f33517ff-2a88-4f6e-b855-c550268ce08a"
ASLEEP = QuietHours(begin=dt.time(22), end=dt.time(8))


@dataclass(slots=True)
class NightClock:
    """Shows what it was set to."""

    now: dt.datetime = TWO

    def __call__(self) -> dt.datetime:
        return self.now


@dataclass(slots=True, kw_only=True)
class Night:
    """An instance, its receivers, and everything that runs for it."""

    config: Config
    clock: NightClock
    hooks: dict[str, WebhookReceiver]
    notify: NotifyServer
    privates: dict[str, str]
    store: Store
    directory: Directory
    consequences: Consequences
    deliverer: Deliverer
    escalator: Escalator
    answering: Answering
    posted: int = field(default=0)

    async def happens(self, kind: str, **changes: object) -> None:
        """Accept an event about the canary, decide it and let what follows leave."""
        self.posted += 1
        cloudevent = planned_release(f"evt-{self.posted}", type=type_of(kind), **changes)
        body = orjson.dumps(cloudevent)
        acceptance = await self.store.accept(
            Posted(
                agency=AgencyName("hmp-exampleton"),
                message_id=f"msg-{self.posted}",
                timestamp="1",
                signature="v1a,c2ln",
                signed=body,
                raw=None,
                events=(parse_cloudevent(cloudevent),),
            ),
            now=self.clock(),
            today=self.clock().date(),
            organisation_class="prison",
            new_id=clock.new_id,
        )
        for event in acceptance.new:
            follows = self.consequences.of_event(event, self.clock())
            assert isinstance(follows, Follows)
            made = await self.store.commit(
                commit(follows.decided, directory=lambda: self.store.directory_marker)
            )
            assert made.verdict == "committed"
            for row in rows_of(follows.decided, made):
                self.deliverer.take(row)
        await self.delivered()

    async def at(self, moment: dt.datetime) -> int:
        """Set the clock, look once for what is to be escalated, and let what follows leave."""
        self.clock.now = moment
        acted = await self.escalator.look()
        await self.delivered()
        return acted

    async def delivered(self) -> None:
        """Wait until nothing is due to leave."""
        due = (
            "SELECT count(*) FROM outbox WHERE state = 'pending' AND next_at <= "
            f"{int(self.clock().timestamp() * 1000)}"
        )
        async with asyncio.timeout(10):
            while True:
                await self.deliverer.fill()
                if self.store.reader.execute(due).get == 0 and not self.deliverer.taken:
                    return
                await asyncio.sleep(0.01)

    async def answers_by_text(self, number: str, text: str) -> bool:
        """Have somebody answer a text with a text."""
        reply = read_reply(number, text)
        assert reply is not None
        return await self.answering.answer_by_text(reply)

    def sealed(self, name: str) -> list[dict[str, Any]]:
        """Return what reached a recipient's webhook under the seal, opened."""
        private = self.privates[name].encode()
        return [orjson.loads(open_sealed(one.body, private)) for one in self.hooks[name].received]

    def opened(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts that reached a recipient's webhook, opened."""
        return [one["alert"] for one in self.sealed(name)]

    def texts(self, number: str) -> list[str]:
        """Return what a telephone shows, the oldest text first."""
        return [one.body for one in self.notify.texts if one.phone_number == number]

    def rows(self, sql: str, *bindings: object) -> list[Any]:
        """Read the database as committed."""
        return self.store.reader.execute(sql, bindings).fetchall()

    def story(self, *ops: str) -> list[dict[str, Any]]:
        """Return the log's entries of these operations, in order."""
        vkey = (self.config.path(Path(VKEY_NAME))).read_text().strip()
        with Auditor.open(self.store.place, vkey) as auditor:
            found = auditor._reader.execute("SELECT body FROM log_entry ORDER BY idx")
            entries = [orjson.loads(body) for (body,) in found]
        return [one for one in entries if one["op"] in ops]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeper:
    """A recipient to be: its webhook comes first, its telephone second."""

    name: str
    role: str = "police_offender_manager"
    organisation_class: str = "police"
    hook: bool = True
    number: str | None = None
    deputies: tuple[str, ...] = ()
    duty_desk: str | None = None
    exercise: bool = False


@contextlib.asynccontextmanager
async def night(folder: Path, sleepers: Sequence[Sleeper]) -> AsyncIterator[Night]:
    """Make an instance with these recipients, all of them in quiet hours, at two in the morning."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = make_certificates(folder)
    api_key = f"night-{uuid.UUID(int=1)}-{uuid.UUID(int=2)}"
    async with contextlib.AsyncExitStack() as stack:
        notify = await stack.enter_async_context(
            NotifyServer(certificates, api_key=api_key, template_id=TEMPLATE_ID)
        )
        hooks = {
            one.name: await stack.enter_async_context(WebhookReceiver(certificates))
            for one in sleepers
            if one.hook
        }
        config = await create(folder / "instance", name="throughgate.example/night", sections="")
        pairs = {name: hpke.generate() for name in hooks}
        recipients = [
            recipient(one, hooks, {n: p[1] for n, p in pairs.items()}) for one in sleepers
        ]
        await _register(config, recipients)
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # older Pythons leave it to the system
        yield await _assembled(
            stack, config, context, hooks, notify, {n: p[0] for n, p in pairs.items()}, api_key
        )


def recipient(
    one: Sleeper, hooks: dict[str, WebhookReceiver], publics: dict[str, str]
) -> Recipient:
    """Return a recipient as the directory has it."""
    endpoints = []
    if one.hook:
        endpoints.append(
            Endpoint(
                id=EndpointId(f"{one.name}/webhook"),
                channel="webhook",
                address=hooks[one.name].url,
                keys=trusted("hpke", publics[one.name]),
                exercise=one.exercise,
            )
        )
    if one.number:
        endpoints.append(
            Endpoint(
                id=EndpointId(f"{one.name}/sms"),
                channel="sms",
                address=one.number,
                step=2 if one.hook else 1,
                exercise=one.exercise,
            )
        )
    return Recipient(
        id=RecipientId(one.name),
        organisation=f"Example {one.name}",
        organisation_class=one.organisation_class,
        role=one.role,
        areas=frozenset({AREA}),
        endpoints=tuple(endpoints),
        deputies=tuple(RecipientId(name) for name in one.deputies),
        duty_desk=RecipientId(one.duty_desk) if one.duty_desk else None,
        quiet=ASLEEP,
    )


async def _register(config: Config, recipients: list[Recipient]) -> None:
    prison = Agency(
        name=AgencyName("hmp-exampleton"),
        urn=URN,
        organisation_class="prison",
        public_keys=(SigningKey.generate().public_text,),
    )
    await register_agency(config, prison)
    await register_recipients(config, recipients)


async def _assembled(
    stack: contextlib.AsyncExitStack,
    config: Config,
    context: ssl.SSLContext,
    hooks: dict[str, WebhookReceiver],
    notify: NotifyServer,
    privates: dict[str, str],
    api_key: str,
) -> Night:
    keys, law, now = load_keys(config), load_law(config), NightClock()
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: None,
    )
    stack.push_async_callback(store.close)
    directory = Directory(store.reader, law.catalogues)
    links = Links(key=store.sealed.derive("links"), public_url="https://gateway.example")
    channels = _channels(context, notify, SigningKey.generate(), api_key)
    for channel in channels.values():
        stack.push_async_callback(channel.close)

    def disclosing(at: dt.datetime) -> Disclosing:
        return Disclosing(
            instance=config.instance.name,
            new_id=clock.new_id,
            random_bytes=os.urandom,
            now=at,
            mail_signer=None,
            links=links,
        )

    deliverer = Deliverer(
        Delivering(
            channels=channels,
            endpoint_of=directory.endpoint,
            owed=Owed(store.reader),
            commit=store.commit,
            clock=now,
            rng=random.Random(5),
            ladder=(dt.timedelta(minutes=1),),
            give_up_after=dt.timedelta(days=2),
            pick_up=links.pick_up,
        )
    )
    stack.push_async_callback(deliverer.stop)
    return Night(
        config=config,
        clock=now,
        hooks=hooks,
        notify=notify,
        privates=privates,
        store=store,
        directory=directory,
        consequences=Consequences(
            store=store, directory=directory, law=law, disclosing=disclosing, new_id=clock.new_id
        ),
        deliverer=deliverer,
        escalator=Escalator(
            Escalating(
                store=store,
                directory=directory,
                law=law,
                disclosing=disclosing,
                now=now,
                new_id=clock.new_id,
                take=deliverer.take,
                chase_within=dt.timedelta(hours=4),
            )
        ),
        answering=Answering(store=store, directory=directory, links=links, now=now),
    )


def _channels(
    context: ssl.SSLContext, notify: NotifyServer, key: SigningKey, api_key: str
) -> dict[ChannelName, Any]:
    loopback = OutboundPolicy(allowed_networks=(IPv4Network("127.0.0.1/32"),))
    return {
        "webhook": WebhookChannel(
            source="urn:throughgate:night",
            sign=lambda _endpoint, alert, at, body: sign([key], alert, at, body),
            policy=loopback,
            ssl_context=context,
            clock=time.time,
        ),
        "sms": SmsChannel(
            providers=[
                NotifyProvider(
                    base_url=notify.url,
                    api_key=api_key,
                    template_id=TEMPLATE_ID,
                    policy=loopback,
                    ssl_context=context,
                    clock=time.time,
                )
            ],
            caps=Caps(),
            rule=Rule(),
            key=bytes(32),
            monotonic=time.monotonic,
        ),
    }
