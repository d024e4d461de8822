"""An instance with recipients, alerts that wait to be read, and its pages behind a real socket."""

import base64
import contextlib
import datetime as dt
import re
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pyotp
from aiohttp import web

from gateway import clock
from gateway.alert import Envelope, chase_of, recall_of, test_of
from gateway.audit.findings import Auditor
from gateway.collecting import Collecting
from gateway.config import Config
from gateway.config.pick_up import PickUpConfig
from gateway.disclosure_log import entry
from gateway.http import pickup, sealed
from gateway.instance import VKEY_NAME, create, load_keys
from gateway.links import Links
from gateway.model.disclosure import AlertKept, Message
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Endpoint, Form, Recipient
from gateway.model.person import Person
from gateway.model.strict_json import JsonObject
from gateway.registration import register_recipients
from gateway.second_factor import STEP_S, Passkeys
from gateway.store import second_factors
from gateway.store.engine import Connection
from gateway.store.group_commit import Proofs, Staged
from gateway.store.sealed import Held
from gateway.store.store import Store
from gateway.store.times import milliseconds
from tests import canaries

NAME = "throughgate.example/pick-up"
WRONG_AFTER_S = 0.1
PERSON = PersonRef("per_00000000000070008000000000000001")
EVENT = EventRef("evt_00000000000070008000000000000001")
SECRET = b"12345678901234567890"


class Clock:
    """The time a test began, cut to a step of the codes, and what it has let pass since: no code
    ages between its making and its use."""

    def __init__(self) -> None:
        began = int(clock.now().timestamp()) // STEP_S * STEP_S
        self._began = dt.datetime.fromtimestamp(began, dt.UTC)
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return self._began + self.ahead


def recipient(name: str) -> Recipient:
    """Return a police team that gets notices by email and pointers by text."""
    return Recipient(
        id=RecipientId(name),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({"exampleshire"}),
        endpoints=(
            Endpoint(id=email(name), channel="email", address=f"{name}@police.example"),
            Endpoint(id=EndpointId(f"{name}/sms"), channel="sms", address="+447700900123"),
        ),
    )


def email(name: str) -> EndpointId:
    return EndpointId(f"{name}/email")


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a test acts on."""

    folder: Path
    config: Config
    store: Store
    collecting: Collecting
    now: Clock
    session: aiohttp.ClientSession
    url: str  # as seen from this process
    public_url: str

    @property
    def links(self) -> Any:
        return self.collecting.links

    def path(self, alert: AlertId, to: str = "ppu", issue: int = 0) -> str:
        """Return the pick-up link of an alert, without scheme and host."""
        return str(self.links.pick_up(alert, email(to), issue)).removeprefix(self.public_url)

    def code(self, secret: bytes = SECRET, *, steps: int = 0) -> str:
        """Return what an authenticator app shows now, or so many steps later."""
        codes = pyotp.TOTP(base64.b32encode(secret).decode())
        return codes.at(self.now(), counter_offset=steps)

    async def enrol(self, to: str = "ppu", secret: bytes = SECRET) -> str:
        """Enrol an authenticator app; return the factor's id."""
        id_ = clock.new_id("fac")
        key = second_factors.factor_key(self.store.sealed)
        sealed_secret = second_factors.seal_secret(key, id_, secret)
        await self.store.commit(
            second_factors.add_totp(id_, RecipientId(to), sealed_secret, by="PC-1", now=self.now())
        )
        return id_

    async def offer(self, to: str = "ppu") -> str:
        """Offer a passkey; return the token of its link."""
        token = base64.urlsafe_b64encode(clock.new_id("x").encode()[-16:]).decode().rstrip("=")
        digest = second_factors.offer_digest(self.store.sealed, token)
        await self.store.commit(
            second_factors.offer_passkey(
                clock.new_id("fac"), RecipientId(to), digest, by="PC-1", now=self.now()
            )
        )
        return token

    async def get(self, path: str, method: str = "GET") -> tuple[int, str, dict[str, str]]:
        async with self.session.request(method, self.url + path) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, await answer.text(), headers

    async def post(self, path: str, **fields: str) -> tuple[int, str]:
        async with self.session.post(self.url + path, data=fields) as answer:
            return answer.status, await answer.text()

    async def alert(
        self,
        content: JsonObject | None = None,
        *,
        message: Message = "NOTIFY",
        to: str = "ppu",
        form: Form = "notice",
        state: str = "accepted",
        supersedes: AlertId | None = None,
    ) -> AlertId:
        """Make an alert as the path leaves it behind, over email and sms."""
        id_ = AlertId(clock.new_id("alt"))
        now = self.now()
        body = told(id_, to) if content is None else content | {"message_id": id_}
        kept = AlertKept(
            alert=id_,
            event=EVENT,
            person=PERSON,
            recipient=RecipientId(to),
            message=message,
            supersedes=supersedes,
            escalates=None,
            urgent=False,
            exercise=False,
            acknowledge_by=now + dt.timedelta(hours=4),
            acknowledge_within=dt.timedelta(hours=4),
            content=b'{"alert":%b,"digest_key":"AAAA"' % orjson.dumps(body),
        )
        ways = ((email(to), "email", form), (EndpointId(f"{to}/sms"), "sms", "pointer"))
        await self.store.commit(self._alert(kept, ways, state, now))
        return id_

    def _alert(self, kept: AlertKept, ways: Any, state: str, now: dt.datetime) -> Any:
        def finish(connection: Connection, first: int, prove: Proofs) -> None:
            for number, (endpoint, channel, form) in enumerate(ways):
                row = {
                    "alert": kept.alert, "endpoint": endpoint, "event": EVENT, "person": PERSON,
                    "recipient": kept.recipient, "channel": channel, "form": form,
                    "message": kept.message, "supersedes": kept.supersedes,
                    "leaf_index": first + number, "urgent": 0, "exercise": 0, "step": 1,
                    "digest": 0, "state": state, "next_at": milliseconds(now),
                    "decided_at": milliseconds(now), "settled_at": milliseconds(now), "slot": 0,
                    "sealed": b"ciphertext" if form == "sealed" else b"a notice",
                    "proof": prove(first + number),
                }  # fmt: skip
                insert(connection, "outbox", row)

        def unit(connection: Connection) -> Staged[None]:
            self._founded(connection)
            sealed_store = self.store.sealed
            held = Held(
                person=Person(ref=PERSON), version=0, key=sealed_store.key_of(connection, PERSON)
            )
            row = {
                "id": kept.alert, "event": EVENT, "person": PERSON, "recipient": kept.recipient,
                "message": kept.message, "supersedes": kept.supersedes, "escalates": None,
                "urgent": 0, "exercise": 0, "decided_at": milliseconds(now),
                "answer_by": milliseconds(now + dt.timedelta(hours=4)), "answer_within": 14400000,
                "slot": 0, "held": held.seal_alert(kept),
            }  # fmt: skip
            insert(connection, "alert", row)
            entries = [
                disclosed(kept, endpoint, channel, form, now) for endpoint, channel, form in ways
            ]
            return Staged(None, entries, finish)

        return unit

    def _founded(self, connection: Connection) -> None:
        if connection.execute("SELECT 1 FROM person WHERE ref = ?", (PERSON,)).get:
            return
        wrapped = self.store.sealed.new_person(PERSON)
        insert(connection, "person", {"ref": PERSON, "wrapped_key": wrapped, "version": 0})
        row = {
            "ref": EVENT, "agency": "hmp-exampleton", "source_mac": b"s", "content_mac": b"c",
            "person": PERSON, "kind": "release.planned", "state": "decided", "slot": 0,
            "received_at": 0, "sealed": b"",
        }  # fmt: skip
        insert(connection, "event", row)

    async def change(self, sql: str, *bindings: Any) -> None:
        """Change the database as some other part of the gateway would."""

        def unit(connection: Connection) -> Staged[None]:
            connection.execute(sql, bindings)
            return Staged(None)

        await self.store.commit(unit)

    def row(self, sql: str, *bindings: Any) -> Any:
        return self.store.reader.execute(sql, bindings).get

    def dump(self) -> dict[str, list[Any]]:
        """Return every row of every table."""
        names = self.store.reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {
            name: self.store.reader.execute(f'SELECT * FROM "{name}"').fetchall()
            for (name,) in names.fetchall()
        }

    def entries(self, op: str) -> list[dict[str, Any]]:
        vkey = (self.folder / VKEY_NAME).read_text().strip()
        with Auditor.open(self.config.path(self.config.instance.database), vkey) as auditor:
            return auditor.entries(op)


def insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
    )


def disclosed(
    kept: AlertKept, endpoint: EndpointId, channel: Any, form: Form, now: dt.datetime
) -> bytes:
    return entry.disclosure(
        at=now, alert=kept.alert, event=EVENT, person=PERSON, recipient=kept.recipient,
        role="police_offender_manager", endpoint=endpoint, channel=channel, form=form, grants=(),
        withheld=(), rulebook="0" * 64, payload_mac="0" * 64, agreement=None,
        actor="hmp-exampleton", acknowledge_by=None, message=kept.message,
    ).encode()  # fmt: skip


def told(alert: AlertId, to: str = "ppu") -> JsonObject:
    """Return an alert about the canary: facts of two agencies, an assessment and intelligence."""
    return {
        "message_id": alert,
        "message_type": "NOTIFY",
        "supersedes": None,
        "recipient": to,
        "recipient_type": "FA",
        "event_type": type_of("release.planned"),
        "occurred_at": "2026-03-05T09:30:00Z",
        "case_ref": PERSON,
        "agreement_ref": "ISA-2026-04",
        "policy_version": "0" * 64,
        "source": NAME,
        "grants": [
            {
                "rule_id": "R01",
                "legal_basis_id": "LB01",
                "citation": "Criminal Justice Act 2003 s.325(4)",
                "regime": "P3",
                "condition": "DPA 2018 Sch.8 para.1",
                "policy_document": None,
                "purpose": "manage_risk",
                "decided_by": None,
                "members": ["identity.family_name"],
            }
        ],
        "groups": [
            stated("G1", "identity", ["family_name", "date_of_birth", "aliases"], "FACT"),
            stated("G2", "identifiers", ["noms", "pnc"], "FACT", controller="exampleshire-police"),
            stated("G5", "rosh", ["overall"], "ASSESSMENT", verified=False),
            stated("G9", "location", ["address"], "INTELLIGENCE"),
        ],
        "withheld_groups": ["G4", "G7"],
        "intel_grade": "2BC",
        "intel_conditions": "Ask the originator before acting.",
        "marking": "OFFICIAL-SENSITIVE",
        "subject_category": "CONVICTED",
        "review_due": "2026-09-05",
        "ack_required_by": "2026-03-05T13:30:00Z",
        "facts": {
            "identity": {
                "family_name": canaries.NAME,
                "date_of_birth": "1980-02-29",
                "aliases": ["<script>alert(1)</script>", "Quill"],
                "assertion": "fact",
            },
            "identifiers": {"noms": canaries.NOMS, "pnc": canaries.PNC},
            "rosh": {"overall": "very_high"},
            "location": {"address": {"lines": ["1 Example Street"], "postcode": "EX1 1EX"}},
        },
    }


def stated(
    code: str,
    name: str,
    members: Iterable[str],
    assertion: str,
    *,
    controller: str = "hmp-exampleton",
    verified: bool = True,
) -> JsonObject:
    return {
        "code": code,
        "name": name,
        "members": list(members),
        "assertion": assertion,
        "completeness": "MINIMISED",
        "as_of": "2026-03-05T09:00:00Z",
        "source_system": "NOMIS",
        "verified": verified,
        "controller": controller,
    }


def variant(message: Message, earlier: AlertId) -> JsonObject:
    """Return an alert of another kind, made as the gateway makes it."""
    about = Event(
        ref=EVENT, person=PERSON, kind="release.planned", agency=AgencyName("hmp-exampleton"),
        occurred_at=clock.now(), received_at=clock.now(), groups={},
    )  # fmt: skip
    envelope = Envelope(
        id=AlertId("alt_x"), message=message, supersedes=earlier, event=about,
        recipient=recipient("ppu"), rulebook="0" * 64, instance=NAME,
    )  # fmt: skip
    match message:
        case "RECALL":
            return recall_of(envelope, "wrong-merge")
        case "CHASE":
            return chase_of(envelope, earlier, RecipientId("probation"), clock.now())
        case "TEST":
            return test_of(envelope, clock.now())
    return told(AlertId("alt_x")) | {"message_type": message, "supersedes": earlier}


@contextlib.asynccontextmanager
async def stage(folder: Path, *, settings: PickUpConfig | None = None) -> AsyncIterator[Stage]:
    """Make an instance with two recipients and serve its pages until the block ends."""
    settings = settings or PickUpConfig(wrong_after_s=WRONG_AFTER_S)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        public = f"http://localhost:{port}"
        config = await create(folder, name=NAME, sections=f'public_url = "{public}"\n')
        await register_recipients(config, [recipient("ppu"), recipient("other")])
        keys = load_keys(config)
        store = await Store.open(
            config.path(config.instance.database),
            key_encryption_key=keys.key_encryption_key,
            log_key=keys.log_key,
            on_fatal=lambda _code: None,
        )
        now = Clock()
        collecting = Collecting(
            store=store,
            links=Links(key=store.sealed.derive("links"), public_url=public),
            passkeys=Passkeys.of(
                public,
                key=store.sealed.derive("webauthn"),
                lifetime=dt.timedelta(seconds=settings.challenge_s),
            ),
            clock=now,
            expires_after=dt.timedelta(seconds=settings.expires_s),
        )
        application = web.Application()
        application.add_routes(
            pickup.routes(
                pickup.PickUp(collecting=collecting, wrong_after_s=settings.wrong_after_s)
            )
        )
        application.add_routes(sealed.routes(collecting.sealed))
        runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Stage(
                    folder=folder, config=config, store=store, collecting=collecting, now=now,
                    session=session, url=f"http://127.0.0.1:{port}", public_url=public,
                )  # fmt: skip
        finally:
            await runner.cleanup()
            await store.close()


def without_challenge(page: str) -> str:
    """Return a page but for the one thing that differs each time."""
    return re.sub(r'data-challenge="[^"]*"', "", page)
