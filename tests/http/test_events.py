"""Posting events over a real socket: each answer, and what it leaves behind."""

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import clock
from gateway.cli.post import signed_headers
from gateway.demo.messages import released  # the real HMPPS shape
from gateway.receive import BATCH, MAX_BATCH, MAX_BATCH_BYTES, MAX_BODY_BYTES, STRUCTURED
from keys.signing import SigningKey
from keys.webhook_signature import sign
from tests import canaries
from tests.gateway_in_process import URN, Gateway, gateway, planned_release, police, serving


async def _send(served: Gateway, body: bytes, headers: dict[str, str]) -> tuple[int, Any, Any]:
    async with served.session.post(
        f"{served.url}/v1/events", data=io.BytesIO(body), headers=headers
    ) as answer:
        return answer.status, orjson.loads(await answer.read()), answer.headers


def _signed(served: Gateway, body: bytes, id_: str = "msg-1", **more: str) -> dict[str, str]:
    now = int(time.time())
    return {
        "content-type": STRUCTURED,
        "throughgate-agency": "hmp-exampleton",
        "webhook-id": id_,
        "webhook-timestamp": str(now),
        "webhook-signature": sign([served.key], id_, now, body),
    } | more


async def test_a_structured_event_is_accepted_and_the_same_bytes_get_the_same_answer(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release()
        first = await served.post(event)
        assert first[0] == 202
        assert await served.post(event) == first
        assert len(served.entries("collection")) == 1


async def test_the_same_bytes_get_the_same_answer_after_a_restart(tmp_path: Path) -> None:
    event = planned_release()
    async with gateway(tmp_path / "i") as served:
        first = await served.post(event)
    async with serving(served.folder, served.config, served.key) as again:
        assert await again.post(event) == first
        assert len(again.entries("collection")) == 1


async def test_a_hundred_equal_posts_at_once_get_one_decision_and_equal_receipts(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release()
        answers = await asyncio.gather(*(served.post(event) for _ in range(100)))
        assert all(answer == answers[0] for answer in answers)
        assert answers[0][0] == 202
        assert len(served.entries("collection")) == 1


async def test_other_bytes_under_the_same_id_are_a_conflict_and_a_security_entry(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release()
        assert (await served.post(event))[0] == 202
        event["data"]["mappa"]["level"] = 3
        status, answer = await served.post(event)
        assert status == 409
        assert answer["type"] == "urn:throughgate:problem:request-id-reused"
        assert [one["code"] for one in served.entries("security")] == ["request-id-reused"]


async def test_a_reused_event_id_under_a_new_message_id_is_a_conflict(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        assert (await served.post(planned_release()))[0] == 202
        changed = planned_release()
        changed["data"]["mappa"]["level"] = 2
        body = orjson.dumps(changed)
        status, answer, _ = await _send(served, body, _signed(served, body, "another"))
        assert (status, answer["type"]) == (409, "urn:throughgate:problem:event-id-reused")


async def test_the_agency_may_be_named_by_the_source_alone(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        body = orjson.dumps(planned_release())
        headers = _signed(served, body)
        del headers["throughgate-agency"]
        assert (await _send(served, body, headers))[0] == 202


async def test_binary_mode_is_taken_and_its_attributes_count_as_bytes(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release()
        body = orjson.dumps(event["data"])
        attributes = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": "evt-1",
            "ce-source": URN,
            "ce-type": event["type"],
            "ce-time": event["time"],
        }
        headers = _signed(served, body, **attributes)
        assert (await _send(served, body, headers))[0] == 202
        headers["ce-type"] = headers["ce-type"].replace("planned", "actual")
        assert (await _send(served, body, headers))[0] == 409
        assert [one["kind"] for one in served.entries("collection")] == ["release.planned"]


async def test_a_batch_is_accepted_whole_or_not_at_all(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        events = [planned_release(f"evt-{number}") for number in range(3)]
        status, answer = await served.post(events)
        assert (status, len(answer["events"])) == (202, 3)
        bad = [planned_release("evt-9"), planned_release("evt-10", type="nonsense")]
        status, answer = await served.post(bad)
        assert status == 400
        assert answer["problems"][0]["path"] == "$[1].type"
        assert len(served.entries("collection")) == 3


async def test_an_agency_format_is_translated(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        body = released(clock.now(), canaries.NOMS, "NCS")
        status, _ = await served.post(body, adapter="hmpps_domain_events")
        assert status == 202
        assert [one["kind"] for one in served.entries("collection")] == ["release.actual"]


async def test_unknown_adapters_and_events_no_adapter_translates_are_told_apart(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        assert (await served.post(b"{}", adapter="nonsense"))[0] == 415
        unknown = {"eventType": "tier.calculation.complete", "version": 1}
        unknown |= {"occurredAt": "2026-01-01T00:00:00Z"}
        status, answer = await served.post(unknown, adapter="hmpps_domain_events")
        assert (status, answer["type"]) == (422, "urn:throughgate:problem:unsupported-event")


async def test_an_event_that_contradicts_itself_is_refused_and_calls_a_human(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        body = released(clock.now(), canaries.NOMS, "NCS")
        contradiction = body.replace(b"NOT_UNDER_PRISON_CARE", b"UNDER_PRISON_CARE")
        status, _ = await served.post(contradiction, adapter="hmpps_domain_events")
        assert status == 422
        [logged] = served.entries("security")
        assert (logged["code"], logged["agency"]) == ("event-needs-human", "hmp-exampleton")


async def test_strangers_and_forgers_get_the_same_answer(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        body = orjson.dumps(planned_release())
        stranger = _signed(served, body) | {"throughgate-agency": "nobody-we-know"}
        forged = signed_headers("hmp-exampleton", SigningKey.generate(), body)
        first = await _send(served, body, stranger)
        second = await _send(served, body, forged)
        assert first[:2] == second[:2]
        assert first[0] == 401
        assert "www-authenticate" in first[2]
        assert served.entries("collection") == []


@pytest.mark.parametrize("skew", [-301, 301])
async def test_a_timestamp_outside_the_window_is_refused_both_ways(
    tmp_path: Path, skew: int
) -> None:
    async with gateway(tmp_path / "i") as served:
        body = orjson.dumps(planned_release())
        # One second more: the clock may tick between signing and checking.
        then = int(time.time()) + skew + (1 if skew > 0 else -1)
        headers = _signed(served, body, **{"webhook-timestamp": str(then)})
        headers["webhook-signature"] = sign([served.key], "msg-1", then, body)
        status, answer, _ = await _send(served, body, headers)
        assert status == 401
        assert "300 s" in answer["detail"]


async def test_an_agency_posts_only_as_itself_and_only_its_kinds(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        other = planned_release(source="urn:example:someone-else")
        assert (await served.post(other))[0] == 403
        clinical = planned_release(type="org.throughgate.health.care_team_recorded.v1")
        assert (await served.post(clinical))[0] == 403


async def test_an_unknown_member_is_named_by_path_and_never_by_value(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release()
        event["data"]["identity"]["nickname"] = canaries.NAME
        status, answer = await served.post(event)
        assert status == 400
        assert [one["path"] for one in answer["problems"]] == ["$.data.identity.nickname"]
        assert canaries.found_in(orjson.dumps(answer).decode()) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 400 + b"}",
        b"\xff\xfe",
    ],
    ids=["empty", "cut", "no-events", "twice", "nan", "surrogate", "deep", "huge", "not-utf8"],
)
async def test_bad_json_is_refused_with_problem_details(tmp_path: Path, body: bytes) -> None:
    async with gateway(tmp_path / "i") as served:
        headers = _signed(served, body)
        for media_type in (STRUCTURED, BATCH):
            status, answer, returned = await _send(
                served, body, headers | {"content-type": media_type}
            )
            assert status == 400
            assert returned["content-type"].startswith("application/problem+json")
            assert answer["status"] == 400


async def test_bodies_that_are_too_large_or_encoded_are_refused(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        big = b" " * (MAX_BODY_BYTES + 1)
        assert (await _send(served, big, _signed(served, big)))[0] == 413
        body = orjson.dumps(planned_release())
        encoded = _signed(served, body, **{"content-encoding": "gzip"})
        assert (await _send(served, body, encoded))[0] == 415
        assert (await _send(served, body, _signed(served, body, **{"content-type": "text/plain"})))[
            0
        ] == 415


async def test_a_batch_may_be_long_if_it_says_how_long_and_whose_it_is(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        event = planned_release("evt-0")
        body = orjson.dumps([event | {"id": f"evt-{n}"} for n in range(MAX_BATCH)])
        assert MAX_BODY_BYTES < len(body) < MAX_BATCH_BYTES
        headers = _signed(served, body, **{"content-type": BATCH})
        status, answer, _ = await _send(served, body, headers)
        assert status == 202
        assert len(set(answer["events"])) == MAX_BATCH
        assert len(served.entries("collection")) == MAX_BATCH
        assert len({one["receipt"] for one in served.entries("collection")}) == 1
        nobody = {name: text for name, text in headers.items() if name != "throughgate-agency"}
        assert (await _send(served, body, nobody))[0] == 415
        forged = headers | {"webhook-id": "msg-2"}
        assert (await _send(served, body, forged))[0] == 401


async def test_a_batch_that_is_too_long_is_refused_whole(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        one = orjson.dumps(planned_release())
        many = b"[" + b",".join([one] * (MAX_BATCH + 1)) + b"]"
        status, answer, _ = await _send(
            served, many, _signed(served, many, **{"content-type": BATCH})
        )
        assert (status, answer["problems"][0]["path"]) == (400, "$")
        assert str(MAX_BATCH) in answer["problems"][0]["reason"]
        for size, media_type, status in (
            (MAX_BATCH_BYTES + 1, BATCH, 413),
            (MAX_BATCH_BYTES, BATCH, 401),
            (MAX_BODY_BYTES + 1, STRUCTURED, 413),
        ):
            body = b" " * size
            forged = _signed(served, b"", **{"content-type": media_type})
            assert (await _send(served, body, forged))[0] == status
        assert served.entries("collection") == []


async def test_beyond_the_bound_the_answer_is_503_with_retry_after(tmp_path: Path) -> None:
    recipient, _ = police()
    sections = "[http]\nundecided_bound = 1\n"
    async with gateway(tmp_path / "i", recipients=[recipient], sections=sections) as served:
        bodies = [orjson.dumps(planned_release(f"evt-{number}")) for number in range(40)]
        answers = await asyncio.gather(
            *(_send(served, body, _signed(served, body, f"m{i}")) for i, body in enumerate(bodies))
        )
        refused = [answer for answer in answers if answer[0] == 503]
        assert refused
        assert all(int(answer[2]["retry-after"]) >= 1 for answer in refused)
        assert {answer[0] for answer in answers} <= {202, 503}
        assert len(served.entries("collection")) == sum(one[0] == 202 for one in answers)


async def test_schemas_adapters_and_health_are_served(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        for path, expected in {
            "/v1/schemas/": 200,
            "/v1/schemas/release.planned": 200,
            "/v1/schemas/no.such": 404,
            "/v1/adapters": 200,
            "/health/live": 200,
            "/health/ready": 200,
            "/metrics": 200,
            "/log/checkpoint": 200,
        }.items():
            async with served.session.get(served.url + path) as answer:
                assert answer.status == expected, path
