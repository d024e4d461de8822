"""What a source is told of a message, by the real path to the store."""

import asyncio
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from gateway import clock
from gateway.demo.events import released
from gateway.event_queue import Pushback
from gateway.feeds.contract import Answer
from gateway.feeds.verdict import verdict
from gateway.model.ids import AgencyName
from gateway.model.posted import Conflict, Receipt
from gateway.operator_log import FIELDS
from gateway.receive import Fed
from gateway.store.sqlite import StoreUnavailable
from tests import canaries
from tests.adapters.test_registry import install
from tests.feeds.scripted import Scripted, metrics, plug, stored
from tests.gateway.tellings import revising
from tests.gateway_in_process import gateway, planned_release

ACCEPTED = Answer(verdict="accepted")


async def test_a_message_is_accepted_once_however_often_it_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed)
    body = orjson.dumps(planned_release())
    async with gateway(tmp_path / "i") as served:
        assert await feed.offer(body) == ACCEPTED
        assert stored(served) == 1
        assert await feed.offer(body) == ACCEPTED
        assert await feed.offer(body, "another id for the same event") == ACCEPTED
        assert stored(served) == 1
        assert len(served.entries("collection")) == 1


async def test_offered_together_it_is_still_one_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed)
    body = orjson.dumps(planned_release())
    async with gateway(tmp_path / "i") as served:
        answers = await asyncio.gather(*(feed.offer(body, f"m-{n % 3}") for n in range(30)))
        assert answers == [ACCEPTED] * 30
        assert stored(served) == 1


async def test_what_can_never_be_taken_is_refused_with_reasons_and_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed)
    wrong = planned_release("evt-2")
    wrong["data"]["custody"]["planned_date"] = canaries.NAME
    another = planned_release("evt-3", source="urn:example:another-agency")
    stray = revising("event.retracted", "evt-4", "never-sent")
    async with gateway(tmp_path / "i") as served:
        assert await feed.offer(orjson.dumps(planned_release())) == ACCEPTED
        answers = {
            "malformed-event": await feed.offer(orjson.dumps(wrong), "a"),
            "not-allowed": await feed.offer(orjson.dumps(another), "b"),
            "request-id-reused": await feed.offer(orjson.dumps(planned_release("evt-9"))),
            "corrects-unknown": await feed.offer(orjson.dumps(stray), "f"),
            "event-id-reused": await feed.offer(
                orjson.dumps(planned_release(time="2026-01-01T00:00:00Z")), "c"
            ),
        }
        for code, answer in answers.items():
            assert (answer.verdict, answer.reasons[0]) == ("refused", code)
        assert answers["malformed-event"].reasons[1].startswith("$.data.custody.planned_date: ")
        assert canaries.found_in(str(answers)) == []
        junk = await feed.offer(b"\xff{", "d")
        assert (junk.verdict, junk.reasons[0]) == ("refused", "malformed-event")
        long = await feed.offer(b"[" + b" " * 1024 * 1024 + b"]", "e")
        assert long.reasons == ("malformed-event", "$: larger than 1048576 bytes")
        assert stored(served) == 1


async def test_what_is_none_of_our_business_is_acknowledged_counted_and_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted("elsewhere")
    plug(monkeypatch, feed, adapter="hmpps_domain_events")
    body = released(clock.now(), canaries.NOMS, "NCS")
    foreign = body.replace(b"prison-offender-events.prisoner.released", b"some.other.event")
    assert foreign != body
    async with gateway(tmp_path / "i") as served:
        answer = await feed.offer(foreign)
        assert answer == Answer(verdict="accepted", reasons=("unsupported-event",))
        assert stored(served) == 0
        assert (
            'throughgate_fed_messages_total{feed="elsewhere",verdict="passed-over"} 1.0'
            in await metrics(served)
        )


async def test_one_that_needs_a_human_is_refused_and_leaves_its_trace_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed, adapter="hmpps_domain_events")
    body = released(clock.now(), canaries.NOMS, "NCS")
    contradiction = body.replace(b"NOT_UNDER_PRISON_CARE", b"UNDER_PRISON_CARE")
    async with gateway(tmp_path / "i") as served:
        for _ in range(3):  # a queue offers it again and again
            answer = await feed.offer(contradiction)
            assert (answer.verdict, answer.reasons[0]) == ("refused", "event-needs-human")
        [logged] = served.entries("security")
        assert (logged["code"], logged["agency"]) == ("event-needs-human", "hmp-exampleton")
        assert stored(served) == 0


async def test_a_gateway_that_is_behind_says_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed)
    sections = "[http]\nport = 0\nundecided_bound = 1\n"
    bodies = [orjson.dumps(planned_release(f"evt-{n}")) for n in range(20)]
    async with gateway(tmp_path / "i", sections=sections) as served:
        answers = await asyncio.gather(
            *(feed.offer(body, f"m-{n}") for n, body in enumerate(bodies))
        )
        behind = [answer for answer in answers if answer != ACCEPTED]
        assert set(behind) == {Answer(verdict="later", reasons=("behind",))}
        assert stored(served) == len(answers) - len(behind) > 0


async def test_an_agency_nobody_registered_is_a_matter_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Scripted()
    plug(monkeypatch, feed, agency="hmp-not-yet")
    async with gateway(tmp_path / "i") as served:
        answer = await feed.offer(orjson.dumps(planned_release()))
        assert answer == Answer(verdict="later", reasons=("agency-unknown",))
        assert stored(served) == 0


async def _raise(error: Exception) -> Receipt | Conflict:
    raise error


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (Pushback(2), Answer(verdict="later", reasons=("behind",))),
        (StoreUnavailable("no-space", "x"), Answer(verdict="later", reasons=("no-space",))),
        (RecursionError(canaries.NAME), Answer(verdict="refused", reasons=("fault",))),
        (KeyError(canaries.NAME), Answer(verdict="refused", reasons=("fault",))),
    ],
)
async def test_nothing_that_goes_wrong_is_raised(error: Exception, answer: Answer) -> None:
    fed = Fed(feed="f", agency=AgencyName("a"), message_id="m", body=b"")
    assert await verdict(fed, _raise(error)) == answer


READS_LITTLE = """
from dataclasses import replace
from adapters.hmpps_domain_events import ADAPTER as OTHER
from adapters.contract import Adapter, Inbound
def translate(body, source):
    return replace(OTHER.inbound.translate(body, source), unread=("$.more", "$.again"))
ADAPTER = Adapter(
    name="reads_little", title="T",
    inbound=Inbound(media_types=("application/json",), translate=translate),
)
"""


async def test_members_nobody_reads_are_counted_in_the_log_and_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    install(folder, "reads_little_pkg", "reads_little", READS_LITTLE)
    monkeypatch.syspath_prepend(folder)
    feed = Scripted()
    plug(monkeypatch, feed, adapter="reads_little")
    with capture_logs() as lines:
        async with gateway(tmp_path / "i") as served:
            body = released(clock.now(), canaries.NOMS, "NCS")
            assert await feed.offer(body) == ACCEPTED
            assert await feed.offer(body, "a repeat is not counted again") == ACCEPTED
            posted = released(clock.now(), canaries.NOMS, "CR")
            status, _ = await served.post(posted, adapter="reads_little")
            assert (status, stored(served)) == (202, 2)
    said = [line for line in lines if line["event"] == "members not read"]
    for line in said:
        assert (line["count"], line["adapter"]) == (2, "reads_little")
        assert line["agency"] == "hmp-exampleton"
        assert set(line) <= FIELDS | {"log_level"}
    assert len(said) == 2
    assert "$.more" not in str(lines)
