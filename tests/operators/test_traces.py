"""Traces: every stage arrives at a real collector, linked, and carries nothing about anybody."""

import asyncio
import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import BadConfig
from gateway.config.telemetry import TelemetryConfig
from gateway.traces import ATTRIBUTES, OFF, allowed, traces_of
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release, police
from tests.operators.observed import attributes, collector

KEY = bytes(range(32))
PATH_TOKEN = "tok-" + "5ecret" * 6


def telemetry(url: str, sample: float = 1.0) -> str:
    return f'[telemetry]\notlp_endpoint = "{url}"\nsample = {sample}\n'


async def a_night(served: Gateway) -> None:
    """Post about the canary, ask for what is not there, and wait for the attempt."""
    await served.post(planned_release())
    for path in (f"/p/{PATH_TOKEN}", f"/nowhere/{PATH_TOKEN}?name={canaries.NAME}"):
        async with served.session.get(served.url + path):
            pass
    async with asyncio.timeout(20):
        while not served.entries("attempt"):  # noqa: ASYNC110 - another process's thread writes
            await asyncio.sleep(0.1)


async def test_a_collector_gets_every_stage_and_nobodys_name(tmp_path: Path) -> None:
    recipient, _ = police()
    async with collector() as kept:
        async with gateway(
            tmp_path / "i", recipients=[recipient], sections=telemetry(kept.url)
        ) as served:
            await a_night(served)
        found = kept.stages()  # what was left was sent on the way down
    assert set(found) == {"receive", "decide", "disclose", "commit", "attempt"}
    [received] = found["receive"]
    linked = [span for spans in found.values() for span in spans]
    assert {span.trace_id for span in linked} == {received.trace_id}
    assert not received.parent_span_id
    rest = [span for span in linked if span is not received and span.name != "receive"]
    assert {span.parent_span_id for span in rest} == {received.span_id}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in linked)
    assert attributes(found["decide"][0])["kind"] == "release.planned"
    assert attributes(found["attempt"][0])["channel"] == "webhook"
    spans = kept.spans
    assert {name for span in spans for name in attributes(span)} <= ATTRIBUTES
    routes = {attributes(span)["http.route"] for span in spans if "http.route" in attributes(span)}
    assert "/v1/events" in routes
    assert "unmatched" in routes
    sent = b"".join(kept.bodies)
    for mark in (*canaries.MARKS, PATH_TOKEN, "police-ppu", "hmp-exampleton", "evt_", "alt_"):
        assert mark.encode() not in sent
    assert not any(span.events or span.links for span in spans)


async def test_a_stage_that_learns_its_event_late_is_linked_all_the_same() -> None:
    async with collector() as kept:
        made = traces_of(section(kept.url), instance="throughgate.example/t", key=KEY)
        with made.stage("receive", "evt_1"):
            pass
        with made.stage("acknowledge", outcome="accepted") as span:
            span.about("evt_1")
        await asyncio.to_thread(made.close)
        found = kept.stages()
    assert found["acknowledge"][0].trace_id == found["receive"][0].trace_id
    assert attributes(found["acknowledge"][0])["outcome"] == "accepted"


def section(url: str, sample: float = 1.0) -> TelemetryConfig:
    return TelemetryConfig(otlp_endpoint=url, sample=sample)


async def test_a_trace_id_is_the_instances_own_and_says_nothing_of_the_event() -> None:
    ids = []
    for key in (KEY, KEY, bytes(32)):
        async with collector() as kept:
            made = traces_of(section(kept.url), instance="throughgate.example/t", key=key)
            with made.stage("decide", "evt_1"):
                pass
            await asyncio.to_thread(made.close)
            ids.append(kept.spans[0].trace_id)
            assert b"evt_1" not in kept.bodies[0]
    assert ids[0] == ids[1] != ids[2]


async def test_of_an_event_all_stages_are_sampled_or_none() -> None:
    async with collector() as kept:
        made = traces_of(section(kept.url, 0.5), instance="throughgate.example/t", key=KEY)
        for number, stage in itertools.product(range(200), ("receive", "decide", "commit")):
            with made.stage(stage, f"evt_{number}"):  # type: ignore[arg-type]
                pass
        await asyncio.to_thread(made.close)
        spans = kept.spans
    by_trace: dict[bytes, int] = {}
    for span in spans:
        by_trace[span.trace_id] = by_trace.get(span.trace_id, 0) + 1
    assert set(by_trace.values()) == {3}
    assert 50 < len(by_trace) < 150


async def test_a_fault_in_a_stage_says_its_class_and_not_its_words() -> None:
    async with collector() as kept:
        made = traces_of(section(kept.url), instance="throughgate.example/t", key=KEY)
        with pytest.raises(ValueError, match="Quill"), made.stage("decide", "evt_1"):
            raise ValueError(canaries.NAME)
        await asyncio.to_thread(made.close)
        assert attributes(kept.spans[0])["outcome"] == "fault-ValueError"
        assert canaries.NAME.encode() not in kept.bodies[0]


async def test_a_collector_that_is_away_stops_nothing(tmp_path: Path) -> None:
    recipient, _ = police()
    sections = telemetry("http://127.0.0.1:9/v1/traces")
    async with gateway(tmp_path / "i", recipients=[recipient], sections=sections) as served:
        await a_night(served)
        async with served.session.get(f"{served.url}/health/ready") as answer:
            assert answer.status == 200


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from([*ATTRIBUTES, "person", "path", "url.path"]), st.text()))
def test_only_listed_attributes_pass(said: dict[str, str]) -> None:
    assert set(allowed(said)) == set(said) & ATTRIBUTES
    assert all(len(str(value)) <= 64 for value in allowed(said).values())


def test_off_costs_nothing_and_does_nothing() -> None:
    assert traces_of(None, instance="throughgate.example/t", key=KEY) is OFF
    spans = {id(OFF.stage("decide", "evt_1")), id(OFF.request("GET", "/metrics"))}
    assert len(spans) == 1
    with OFF.stage("receive") as span:
        span.about("evt_1")
        span.say(outcome="accepted")
    assert (span.attributes, span.events) == ({}, [])


@pytest.fixture
def no_otel(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)


def test_without_the_extra_the_configuration_says_what_is_missing(no_otel: None) -> None:
    with pytest.raises(BadConfig, match=r"throughgate\[otel\]"):
        traces_of(section("http://127.0.0.1:9/v1/traces"), instance="x", key=KEY)


async def test_a_request_is_named_by_its_template(tmp_path: Path) -> None:
    async with collector() as kept:
        async with gateway(tmp_path / "i", sections=telemetry(kept.url)) as served:
            for method, path in (("GET", f"/v1/alerts/alt_{PATH_TOKEN}"), ("TRACE", "/metrics")):
                async with served.session.request(method, served.url + path):
                    pass
        names = {span.name for span in kept.spans}
    assert any(name.startswith("GET /v1/alerts/{") for name in names), names
    assert any(name.startswith("other ") for name in names)
    assert not any(PATH_TOKEN in name for name in names)
