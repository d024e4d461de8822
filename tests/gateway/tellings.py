"""A gateway, recipients with real webhook receivers, and what each of them was told."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway import clock
from gateway.demo.cast import AREA
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Endpoint, Recipient
from gateway.store import sqlite
from keys import hpke
from keys.seal import open_sealed
from tests.gateway_in_process import Gateway, gateway, planned_release, serving
from tests.support.trusted import trusted

ELSEWHERE = "othershire"
SETTLE_S = 15.0

# id, class, role, area
CAST = (
    ("police", "police", "police_offender_manager", AREA),
    ("probation", "probation", "probation_offender_manager", AREA),
    ("coordinator", "mappa_coordination", "mappa_coordinator", AREA),
    ("police-elsewhere", "police", "police_offender_manager", ELSEWHERE),
    ("hostel", "charity", "accommodation_associate", AREA),
)
NEAR = {"police", "probation", "coordinator"}  # told of a planned release of category 2


def near(*messages: str) -> dict[str, list[str]]:
    """Return what `Scene.messages` is when all of `NEAR` got these, and nobody else any."""
    return {name: list(messages) for name in NEAR}


class Clock:
    """The real time, and what a test has let pass on top."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return clock.now() + self.ahead


@dataclass(slots=True, kw_only=True)
class Scene:
    """The gateway that serves now, and everybody around it."""

    gateway: Gateway
    hooks: Mapping[str, WebhookReceiver]
    privates: Mapping[str, str]
    now: Callable[[], dt.datetime]
    running: contextlib.AsyncExitStack

    async def restart(self) -> None:
        """Stop the gateway and serve the same instance again."""
        await self.running.aclose()
        one = self.gateway
        self.gateway = await self.running.enter_async_context(
            serving(one.folder, one.config, one.key, now=self.now)
        )

    async def post(self, event: dict[str, Any]) -> str:
        """Post one event; return its reference once all it led to has settled."""
        ref = await self.post_only(event)
        await self.settled()
        return ref

    async def post_only(self, event: dict[str, Any]) -> str:
        status, answer = await self.gateway.post(event)
        assert status == 202, answer
        (ref,) = answer["events"]
        return str(ref)

    async def moment(self) -> None:
        """Let the gateway do something."""
        await asyncio.sleep(0.02)

    async def settled(self) -> None:
        """Wait until nothing is undecided and nothing is owed."""
        async with asyncio.timeout(SETTLE_S):
            while self.rows(  # noqa: ASYNC110 - the gateway decides when
                "SELECT 1 FROM event WHERE state = 'accepted' UNION ALL"
                " SELECT 1 FROM outbox WHERE state = 'pending' UNION ALL"
                " SELECT 1 FROM task WHERE state = 'approved' AND carried_out = 0"
            ):
                await asyncio.sleep(0.02)

    def rows(self, sql: str, *bindings: object) -> list[Any]:
        """Read the database as committed."""
        reader = sqlite.open_reader(self.gateway.config.path(self.gateway.config.instance.database))
        try:
            return reader.execute(sql, bindings).fetchall()  # type: ignore[arg-type]
        finally:
            reader.close()

    def state(self, ref: str) -> str:
        [(state,)] = self.rows("SELECT state FROM event WHERE ref = ?", ref)
        return str(state)

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts that reached one recipient, opened, in the order they came."""
        private = self.privates[name].encode()
        return [
            orjson.loads(open_sealed(one.body, private))["alert"]
            for one in self.hooks[name].received
        ]

    def messages(self) -> dict[str, list[str]]:
        """Return the kinds of message each recipient got, in order, if any."""
        found = {name: [one["message_type"] for one in self.told(name)] for name in self.hooks}
        return {name: kinds for name, kinds in found.items() if kinds}

    def disclosed(self, event: str, *messages: str) -> set[str]:
        """Return to whom the log says an event was disclosed, by these kinds of message."""
        return {
            one["recipient"]
            for one in self.gateway.entries("disclosure")
            if one["event"] == event and (not messages or one["message"] in messages)
        }


@contextlib.asynccontextmanager
async def scene(
    folder: Path,
    *,
    now: Callable[[], dt.datetime] = clock.now,
    away: tuple[str, ...] = (),
    more: str = "",
) -> AsyncIterator[Scene]:
    """Serve a gateway among its recipients; those `away` are at an address that refuses them, and
    `more` is of its configuration."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = make_certificates(folder)
    sections = (
        '[webhook]\nca_file = "ca.pem"\nallowed_networks = ["127.0.0.1/32"]\n'
        "[delivery]\nladder_s = [0.2, 0.5]\nbreaker_failures = 1000\n" + more
    )
    async with contextlib.AsyncExitStack() as stack:
        hooks = {
            name: await stack.enter_async_context(
                WebhookReceiver(certificates, answers=[503] * 1000 if name in away else [])
            )
            for name, *_ in CAST
        }
        recipients, privates = [], {}
        for name, organisation_class, role, area in CAST:
            private, public = hpke.generate()
            privates[name] = private
            recipients.append(_recipient(name, organisation_class, role, area, hooks[name], public))
        running = await stack.enter_async_context(contextlib.AsyncExitStack())
        served = await running.enter_async_context(
            gateway(folder, recipients=recipients, sections=sections, now=now)
        )
        yield Scene(gateway=served, hooks=hooks, privates=privates, now=now, running=running)


def _recipient(
    name: str,
    organisation_class: str,
    role: str,
    area: str,
    hook: WebhookReceiver,
    public: str,
) -> Recipient:
    endpoint = Endpoint(
        id=EndpointId(f"{name}/webhook"),
        channel="webhook",
        address=hook.url,
        keys=trusted("hpke", public),
    )
    return Recipient(
        id=RecipientId(name),
        organisation=f"Example {name}",
        organisation_class=organisation_class,
        role=role,
        areas=frozenset({area}),
        endpoints=(endpoint,),
    )


def happened(kind: str, id_: str, /, **groups: dict[str, Any]) -> dict[str, Any]:
    """Return an event about the canary: the facts of a planned release, some groups changed."""
    event = planned_release(id_, type=type_of(kind))
    stated = {
        "assertion": "fact",
        "source_system": "NOMIS",
        "verified": True,
        "as_of": event["time"],
    }
    for name, members in groups.items():
        event["data"][name] = event["data"].get(name, {}) | members | stated
    return event


def revising(kind: str, id_: str, of: str, /, **groups: dict[str, Any]) -> dict[str, Any]:
    """Return a correction or retraction of the event that the prison gave this id."""
    event = happened(kind, id_, **groups)
    kept = {"identifiers", *groups}
    event["data"] = {
        # Without a time of its own, a corrected group is as old as what it corrects.
        name: {member: value for member, value in members.items() if member != "as_of"}
        for name, members in event["data"].items()
        if name in kept
    }
    return event | {"corrects": of}
