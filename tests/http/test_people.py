"""Reading a person's timeline over a real socket: who may, what they see, what it leaves behind."""

import asyncio
import contextlib
import datetime as dt
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import orjson
import pytest
from aiohttp import web

from gateway import clock
from gateway.demo.cast import AREA, DUTY_PHONE
from gateway.directory import Directory
from gateway.http import people
from gateway.instance import load_keys, load_law, sealed_store
from gateway.model.ids import AgencyName, EndpointId, PersonRef, RecipientId
from gateway.model.party import Agency, AssociateDesignation, Endpoint, Recipient
from gateway.reading import reads_for, signed_text
from gateway.receive import MAX_BODY_BYTES
from gateway.registration import register_agency
from gateway.store import justifications, sqlite
from gateway.store.store import Store
from keys.signing import SigningKey
from keys.webhook_signature import sign
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release, police

WHY = "Visit planned for Tuesday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An agency that reads for one of its recipients."""

    agency: str
    recipient: str
    key: SigningKey = field(default_factory=SigningKey.generate)

    def headers(
        self, method: str, path: str, body: bytes = b"", *, why: str = WHY, id_: str = ""
    ) -> dict[str, str]:
        now = int(time.time())
        message = id_ or f"read_{uuid.uuid4().hex}"
        text = signed_text(method, path, recipient=self.recipient, justification=why, body=body)
        return {
            "throughgate-agency": self.agency,
            "throughgate-recipient": self.recipient,
            "throughgate-justification": why,
            "webhook-id": message,
            "webhook-timestamp": str(now),
            "webhook-signature": sign([self.key], message, now, text),
        }


POLICE = Reader(agency="exampleshire-police", recipient="police-ppu")
SURGERY = Reader(agency="example-street-surgery", recipient="gp")
CLASSES = {POLICE.agency: "police", SURGERY.agency: "gp_practice"}


def surgery() -> Recipient:
    endpoint = Endpoint(id=EndpointId("gp/sms"), channel="sms", address=DUTY_PHONE)
    return Recipient(
        id=RecipientId("gp"),
        organisation="Example Street Surgery",
        organisation_class="gp_practice",
        role="gp_practice",
        areas=frozenset({AREA}),
        endpoints=(endpoint,),
        associate=AssociateDesignation(
            reference="RA-EXAMPLESHIRE-7", designated_on=dt.date(2026, 1, 5)
        ),
    )


@contextlib.asynccontextmanager
async def told(folder: Path, *, sections: str = "") -> AsyncIterator[tuple[Gateway, str]]:
    """Serve a gateway that knows of one planned release; yield it and the person's reference."""
    recipients = [police()[0], surgery()]
    async with gateway(folder, recipients=recipients, sections=sections) as served:
        for reader in (POLICE, SURGERY):
            agency = Agency(
                name=AgencyName(reader.agency),
                urn=f"urn:example:{reader.agency}",
                organisation_class=CLASSES[reader.agency],
                public_keys=(reader.key.public_text,),
            )
            await register_agency(served.config, agency)
        assert (await served.post(planned_release()))[0] == 202
        await _decided(served)
        yield served, served.entries("collection")[0]["person"]


async def _decided(served: Gateway) -> None:
    """Wait until no event awaits its decision."""
    database = str(served.config.path(served.config.instance.database))
    reader = apsw.Connection(database, flags=apsw.SQLITE_OPEN_READONLY)
    for _ in range(1000):
        if not reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get:
            break
        await asyncio.sleep(0.01)
    reader.close()


async def get(
    served: Gateway, reader: Reader, ref: str, **more: str
) -> tuple[int, Any, dict[str, str]]:
    path = f"/v1/people/{ref}/timeline"
    return await ask(served, "GET", path, reader.headers("GET", path, **more))


async def find(
    served: Gateway, reader: Reader, kind: object, value: object
) -> tuple[int, Any, dict[str, str]]:
    body = orjson.dumps({"kind": kind, "value": value})
    path = "/v1/people/find"
    return await ask(served, "POST", path, reader.headers("POST", path, body), body)


async def ask(
    served: Gateway, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, Any, dict[str, str]]:
    url = served.url + path
    async with served.session.request(method, url, headers=headers, data=body) as answer:
        returned = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, orjson.loads(await answer.read()), returned


def consulted(served: Gateway) -> list[dict[str, Any]]:
    return [one for one in served.entries("consultation") if one["what"] == "timeline"]


def kept_reason(served: Gateway, ref: str, mac: str) -> str | None:
    """Return the words behind a digest, as a data protection officer would open them."""
    reader = sqlite.open_reader(served.config.path(served.config.instance.database))
    sealed = sealed_store(served.config)
    try:
        return justifications.words_of(reader, sealed, PersonRef(ref), mac)
    finally:
        reader.close()


async def test_a_recipient_reads_what_is_known_and_the_reading_is_in_the_log(
    tmp_path: Path,
) -> None:
    async with told(tmp_path / "i") as (served, ref):
        status, answer, headers = await get(served, POLICE, ref)
        [entry] = consulted(served)  # durable when the answer came
        assert status == 200
        assert headers["cache-control"] == "no-store"
        assert (answer["person"], answer["recipient"]) == (ref, "police-ppu")
        [event] = answer["events"]
        assert (event["kind"], event["agency"]) == ("release.planned", "hmp-exampleton")
        assert event["groups"]["identity"]["family_name"] == canaries.NAME
        assert "nhs_number" not in event["groups"]["identifiers"]
        assert "front_screen" not in answer
        expected = {"person": ref, "reader": "police-ppu", "agency": POLICE.agency, "shown": 1}
        assert expected.items() <= entry.items()
        assert len(entry["reason_mac"]) == 64
        assert WHY not in str(entry)
        assert kept_reason(served, ref, entry["reason_mac"]) == WHY


async def test_an_identifier_finds_the_same_timeline(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        by_ref = await get(served, POLICE, ref)
        for kind, value in (
            ("noms", canaries.NOMS),
            ("pnc", canaries.PNC),
            ("nhs_number", canaries.NHS_NUMBER),
        ):
            status, answer, _ = await find(served, POLICE, kind, value)
            assert (status, answer) == (200, by_ref[1])
        assert len(consulted(served)) == 4


async def test_unknown_forbidden_and_filtered_answer_alike_and_each_is_logged(
    tmp_path: Path,
) -> None:
    async with told(tmp_path / "i") as (served, ref):
        theirs = Reader(agency=POLICE.agency, recipient="gp", key=POLICE.key)
        nobodys = Reader(agency=POLICE.agency, recipient="nobody", key=POLICE.key)
        answers = []
        for asked in (
            get(served, POLICE, "per_unknown"),  # unknown
            find(served, POLICE, "noms", "Z9999ZZ"),  # unknown
            get(served, SURGERY, ref),  # filtered: not the recorded practice
            find(served, SURGERY, "noms", canaries.NOMS),
            get(served, theirs, ref),  # forbidden: another agency's recipient
            get(served, nobodys, ref),
        ):
            began = time.monotonic()
            status, answer, headers = await asked
            elapsed = time.monotonic() - began
            assert elapsed >= people.NOT_FOUND_AFTER_S * 0.9
            assert elapsed < people.NOT_FOUND_AFTER_S + 1
            headers.pop("date")
            answers.append((status, answer, headers))
        assert answers[0][0] == 404
        assert all(one == answers[0] for one in answers)
        entries = consulted(served)
        assert [one["shown"] for one in entries] == [0] * 6
        assert [one.get("person") for one in entries] == [None, None, ref, ref, ref, ref]
        assert [one.get("reader") for one in entries] == [
            "police-ppu", "police-ppu", "gp", "gp", None, None,
        ]  # fmt: skip


async def test_the_practice_recorded_as_the_persons_sees_who_treats_them_gaps_said(
    tmp_path: Path,
) -> None:
    async with told(tmp_path / "i") as (served, ref):
        event = planned_release("evt-2")
        practice = {"name": "Example Street Surgery"}
        event["data"]["health_routing"] = {"community_gp": practice, "assertion": "fact"}
        assert (await served.post(event))[0] == 202
        await _decided(served)
        status, answer, _ = await get(served, SURGERY, ref)
        assert status == 200
        assert list(answer)[:3] == ["person", "recipient", "front_screen"]
        assert answer["front_screen"]["community_gp"] == practice
        assert answer["front_screen"]["mental_health_team"] == "NOT_RECORDED"
        seen = {group for one in answer["events"] for group in one["groups"]}
        assert "mappa" not in seen
        assert "identity" in seen


async def test_a_corrected_event_is_seen_as_corrected(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        correction = planned_release("evt-2", type="org.throughgate.event.corrected.v1")
        mappa = {"category": 2, "level": 3, "as_of": correction["time"]}
        correction |= {"corrects": "evt-1", "data": {"mappa": mappa}}
        assert (await served.post(correction))[0] == 202
        await _decided(served)
        status, answer, _ = await get(served, POLICE, ref)
        assert status == 200
        [event] = answer["events"]
        assert event["kind"] == "release.planned"
        assert event["groups"]["mappa"]["level"] == 3


async def test_a_retracted_event_is_no_longer_seen(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        retraction = planned_release("evt-2", type="org.throughgate.event.retracted.v1")
        retraction |= {"corrects": "evt-1", "data": {}}
        assert (await served.post(retraction))[0] == 202
        await _decided(served)
        assert (await get(served, POLICE, ref))[0] == 404


async def test_a_request_sent_again_is_refused_and_logged_once(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        path = f"/v1/people/{ref}/timeline"
        headers = POLICE.headers("GET", path)
        assert (await ask(served, "GET", path, headers))[0] == 200
        status, answer, _ = await ask(served, "GET", path, headers)
        assert (status, answer["type"]) == (409, "urn:throughgate:problem:request-id-reused")
        assert canaries.found_in(str(answer)) == []
        assert len(consulted(served)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"throughgate-recipient": "gp"},
        {"throughgate-justification": "another"},
        {"throughgate-agency": "example-street-surgery"},
        {"throughgate-agency": "nobody"},
        {"webhook-id": "other"},
        {"webhook-timestamp": "1"},
        {"webhook-signature": "v1a,AAAA"},
    ],
    ids="-".join,
)
async def test_whatever_was_changed_on_the_way_is_refused(
    tmp_path: Path, change: dict[str, str]
) -> None:
    async with told(tmp_path / "i") as (served, ref):
        path = f"/v1/people/{ref}/timeline"
        headers = POLICE.headers("GET", path) | change
        assert (await ask(served, "GET", path, headers))[0] == 401
        assert consulted(served) == []


async def test_a_signature_holds_for_one_path_one_method_and_one_body(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        path = f"/v1/people/{ref}/timeline"
        elsewhere = POLICE.headers("GET", "/v1/people/per_other/timeline")
        assert (await ask(served, "GET", path, elsewhere))[0] == 401
        assert (await ask(served, "GET", path + "?x=1", POLICE.headers("GET", path)))[0] == 401
        assert (await ask(served, "GET", path, POLICE.headers("POST", path)))[0] == 401
        body = orjson.dumps({"kind": "noms", "value": canaries.NOMS})
        other = POLICE.headers("POST", "/v1/people/find", b"{}")
        assert (await ask(served, "POST", "/v1/people/find", other, body))[0] == 401
        # Nor does a signed event, read as a request.
        now = int(time.time())
        headers = POLICE.headers("POST", "/v1/people/find", body)
        headers["webhook-signature"] = sign([POLICE.key], headers["webhook-id"], now, body)
        assert (await ask(served, "POST", "/v1/people/find", headers, body))[0] == 401


async def test_a_justification_is_asked_for_unless_the_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    async with told(tmp_path / "required") as (served, ref):
        status, answer, _ = await get(served, POLICE, ref, why="")
        assert status == 400
        assert answer["problems"][0]["path"] == "throughgate-justification"
        assert (await get(served, POLICE, ref, why="x" * 501))[0] == 400
        assert consulted(served) == []
    sections = '[log]\njustification = "optional"\n'
    async with told(tmp_path / "optional", sections=sections) as (served, ref):
        assert (await get(served, POLICE, ref, why=""))[0] == 200
        assert "reason_mac" not in consulted(served)[0]


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("noms", canaries.NAME, "$.value"),
        ("nhs_number", "9990000027", "$.value"),
        ("visor_ref", "V1", "$.kind"),
        (["noms"], "V1", "$.kind"),
        ("noms", 7, "$"),
    ],
)
async def test_what_cannot_be_an_identifier_is_refused_and_not_repeated(
    tmp_path: Path, kind: object, value: object, path: str
) -> None:
    async with told(tmp_path / "i") as (served, _ref):
        status, answer, _ = await find(served, POLICE, kind, value)
        assert (status, answer["problems"][0]["path"]) == (400, path)
        assert str(value) not in str(answer["problems"])


async def test_a_body_that_is_too_large_or_no_json_is_refused(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, _ref):
        path = "/v1/people/find"
        for body, status in ((b" " * (MAX_BODY_BYTES + 1), 413), (b"[]", 400), (b"\x1f\x8b", 400)):
            answer = await ask(served, "POST", path, POLICE.headers("POST", path, body), body)
            assert answer[0] == status
            assert answer[2]["content-type"].startswith("application/problem+json")
        assert consulted(served) == []


async def test_nothing_is_answered_that_could_not_be_logged(tmp_path: Path) -> None:
    async with told(tmp_path / "i") as (served, ref):
        keys = load_keys(served.config)
        law = load_law(served.config)
        store = await Store.open(
            served.config.path(served.config.instance.database),
            key_encryption_key=keys.key_encryption_key,
            log_key=keys.log_key,
            on_fatal=lambda _code: None,
            slot=-1,
        )
        assert store._writer is not None
        await store._writer.close()
        consulting = people.Consulting(
            store=store,
            directory=Directory(store.reader, law.catalogues),
            rulebook=law.rulebook,
            clock=clock.now,
            justified=True,
        )
        async with _serving(consulting) as url:
            path = f"/v1/people/{ref}/timeline"
            headers = POLICE.headers("GET", path)
            async with (
                aiohttp.ClientSession() as session,
                session.get(url + path, headers=headers) as answer,
            ):
                assert answer.status == 503
                assert canaries.found_in(await answer.text()) == []
        store.reader.close()


@contextlib.asynccontextmanager
async def _serving(consulting: people.Consulting) -> AsyncIterator[str]:
    application = web.Application()
    application.add_routes(people.routes(consulting))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("organisation", "class_", "belongs"),
    [
        ("Exampleshire Police", "police", True),
        ("EXAMPLESHIRE  POLICE", "police", True),
        ("Exampleshire Police", "probation", False),
        ("Exampleshire Police North", "police", False),
    ],
)
def test_a_recipient_belongs_to_the_agency_of_its_name_and_class(
    organisation: str, class_: str, belongs: bool
) -> None:
    agency = Agency(
        name=AgencyName("exampleshire-police"),
        urn="urn:example:police",
        organisation_class="police",
        public_keys=(),
    )
    recipient = Recipient(
        id=RecipientId("r"),
        organisation=organisation,
        organisation_class=class_,
        role="police_offender_manager",
        areas=frozenset(),
        endpoints=(),
    )
    assert reads_for(agency, recipient) is belongs
