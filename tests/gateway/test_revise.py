"""Corrections, retractions and movements undone: exactly those who were told, at once."""

import asyncio
from pathlib import Path

from gateway.demo.cast import AREA
from tests.gateway.tellings import ELSEWHERE, NEAR, happened, near, revising, scene


async def test_a_corrected_release_address_reaches_exactly_those_who_were_told(
    tmp_path: Path,
) -> None:
    """Vector 30."""
    wrong = {"lines": ["1 Wrong Street"], "postcode": "EX1 1EX"}
    right = {"lines": ["2 Right Street"], "postcode": "EX2 2EX"}
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1", location={"address": wrong}))
        assert it.messages() == near("NOTIFY")
        correction = await it.post(
            revising("event.corrected", "e-2", "e-1",
                     location={"address": right, "home_area": AREA, "address_status": "CONFIRMED"})
        )  # fmt: skip
        assert it.messages() == near("NOTIFY", "CORRECTION")
        for name in NEAR:
            told, corrected = it.told(name)
            assert corrected["supersedes"] == told["message_id"]
            assert corrected["event_type"] == told["event_type"]
            assert corrected["case_ref"] == told["case_ref"]
        _, corrected = it.told("police")
        assert corrected["facts"]["location"]["address"]["lines"] == ["2 Right Street"]
        assert it.disclosed(first, "CORRECTION") == it.disclosed(first, "NOTIFY") == NEAR
        entries = [e for e in it.gateway.entries("disclosure") if e["message"] == "CORRECTION"]
        assert {e["revised_by"] for e in entries} == {correction}
        assert {e["basis"] for e in entries} == {"DPA 2018 s.38(5)(c)"}
        [altered] = it.gateway.entries("alteration")
        assert (altered["event"], altered["corrects"]) == (correction, first)
        urgent = it.rows("SELECT urgent FROM outbox WHERE message = 'CORRECTION'")
        assert urgent == [(1,)] * len(NEAR)


async def test_a_retracted_event_is_recalled_without_a_fact(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1"))
        await it.post(revising("event.retracted", "e-2", "e-1"))
        assert it.messages() == near("NOTIFY", "RECALL")
        for name in NEAR:
            told, recalled = it.told(name)
            assert recalled["supersedes"] == told["message_id"]
            assert recalled["reason"] == "retracted"
            assert not {"facts", "grants", "groups"} & recalled.keys()
        assert it.state(first) == "retracted"
        assert it.disclosed(first, "RECALL") == NEAR
        recalls = [e for e in it.gateway.entries("disclosure") if e["message"] == "RECALL"]
        assert all(e["grants"] == [] and e["reason"] == "retracted" for e in recalls)


async def test_a_release_undone_within_the_window_is_recalled(tmp_path: Path) -> None:
    """Vector 21: released, then received within 45 minutes."""
    async with scene(tmp_path / "instance") as it:
        left = await it.post(happened("release.actual", "e-1"))
        before = it.disclosed(left)
        assert before
        await it.post(happened("custody.received", "e-2"))
        assert it.disclosed(left, "RECALL") == before
        assert it.state(left) == "retracted"
        for name in before:
            recall = next(one for one in it.told(name) if one["message_type"] == "RECALL")
            assert recall["reason"] == "reversed"
            assert recall["supersedes"] == it.told(name)[0]["message_id"]


async def test_a_reception_at_another_prison_undoes_no_release(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        left = await it.post(happened("release.actual", "e-1"))
        await it.post(happened("custody.received", "e-2", custody={"prison": "EXJ"}))
        assert it.state(left) == "decided"
        assert it.disclosed(left, "RECALL") == set()


async def test_a_correction_moves_a_case_from_those_who_were_told_to_those_who_must_be(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))
        await it.post(
            revising("event.corrected", "e-2", "e-1",
                     location={"home_area": ELSEWHERE, "address_status": "NFA"})
        )  # fmt: skip
        assert it.messages()["police"] == ["NOTIFY", "RECALL"]
        assert it.told("police")[1]["reason"] == "corrected-no-longer-entitled"
        assert it.messages()["police-elsewhere"] == ["NOTIFY"]


async def test_a_second_correction_supersedes_the_first(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1"))
        for number, of in ((2, "e-1"), (3, "e-2")):  # of the event; of its correction
            await it.post(
                revising("event.corrected", f"e-{number}", of,
                         custody={"prison": "EXI", "planned_date": f"2027-01-0{number}"})
            )  # fmt: skip
        assert it.messages() == near("NOTIFY", "CORRECTION", "CORRECTION")
        one, two, three = it.told("police")
        assert (two["supersedes"], three["supersedes"]) == (one["message_id"], two["message_id"])
        assert three["facts"]["custody"]["planned_date"] == "2027-01-03"
        assert it.disclosed(first) == NEAR


async def test_a_retracted_correction_gives_the_first_statement_back(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))
        planned = it.told("police")[0]["facts"]["custody"]["planned_date"]
        await it.post(
            revising("event.corrected", "e-2", "e-1", custody={"planned_date": "2027-01-02"})
        )
        await it.post(revising("event.retracted", "e-3", "e-2"))
        assert it.messages()["police"] == ["NOTIFY", "CORRECTION", "CORRECTION"]
        assert it.told("police")[2]["facts"]["custody"]["planned_date"] == planned


async def test_a_retracted_retraction_tells_again(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1"))
        second = await it.post(revising("event.retracted", "e-2", "e-1"))
        await it.post(revising("event.retracted", "e-3", "e-2"))
        assert (it.state(first), it.state(second)) == ("decided", "retracted")
        assert it.messages() == near("NOTIFY", "RECALL", "NOTIFY")


async def test_nothing_is_told_of_a_correction_of_what_no_longer_stands(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))
        await it.post(revising("event.retracted", "e-2", "e-1"))
        vain = await it.post(
            revising("event.corrected", "e-3", "e-1", custody={"planned_date": "2027-01-02"})
        )
        assert it.messages() == near("NOTIFY", "RECALL")
        [refusal] = [e for e in it.gateway.entries("refusal") if e["event"] == vain]
        assert refusal["reasons"] == [{"code": "revises-nothing"}]
        assert [e["code"] for e in it.gateway.entries("security")] == ["correction-of-nothing"]


async def test_an_alert_that_has_not_left_yet_is_withheld_when_corrected(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance", away=("police",)) as it:
        await it.post_only(happened("release.planned", "e-1"))
        while not it.hooks["police"].received:
            await _moment()
        await it.post_only(
            revising("event.corrected", "e-2", "e-1", custody={"planned_date": "2027-01-02"})
        )
        while len(it.rows("SELECT 1 FROM outbox WHERE message = 'CORRECTION'")) < len(NEAR):
            await _moment()
        [(state, reason)] = it.rows(
            "SELECT state, reason FROM outbox WHERE message = 'NOTIFY' AND recipient = 'police'"
        )
        assert (state, reason) == ("withheld", "superseded")
        [entry] = [e for e in it.gateway.entries("attempt") if e["outcome"] == "withheld"]
        assert entry["reason"] == "superseded"
        tried = sum(one["message_type"] == "NOTIFY" for one in it.told("police"))
        while sum(one["message_type"] == "CORRECTION" for one in it.told("police")) < 2:
            await _moment()
        assert sum(one["message_type"] == "NOTIFY" for one in it.told("police")) <= tried + 1


async def test_a_later_alert_that_repeated_what_was_wrong_is_corrected_too(tmp_path: Path) -> None:
    """Who was first told by a later event relies on the same wrong fact (s.38(5)(c))."""
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1", custody={"planned_date": "2027-01-01"}))
        later = happened("release.date_changed", "e-2")
        later["data"]["custody"] = {"confirmed_date": "2027-01-05"}
        second = await it.post(later)
        own = happened("risk.assessed", "e-3", rosh={"public": "high"})
        own["data"] = {name: own["data"][name] for name in ("identifiers", "rosh")}
        await it.post(own)
        await it.post(
            revising("event.corrected", "e-4", "e-1",
                     custody={"prison": "EXI", "planned_date": "2027-01-02"})
        )  # fmt: skip
        assert it.disclosed(second, "CORRECTION") == it.disclosed(second, "UPDATE", "NOTIFY")
        corrected = [one for one in it.told("police") if one["message_type"] == "CORRECTION"]
        assert {one["event_type"].removeprefix("org.throughgate.") for one in corrected} >= {
            "release.planned.v1", "release.date_changed.v1",
        }  # fmt: skip
        for one in corrected:
            assert one["facts"]["custody"]["planned_date"] == "2027-01-02"


async def test_a_later_alert_with_facts_of_its_own_is_left_alone(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))
        second = await it.post(
            happened("release.date_changed", "e-2", custody={"planned_date": "2027-01-05"})
        )
        await it.post(
            revising("event.corrected", "e-3", "e-1", custody={"planned_date": "2027-01-02"})
        )
        assert it.disclosed(second, "CORRECTION", "RECALL") == set()


async def test_newer_news_of_one_release_updates_the_last(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))
        await it.post(
            happened("release.date_changed", "e-2", custody={"planned_date": "2027-01-02"})
        )
        assert it.messages()["police"] == ["NOTIFY", "UPDATE"]
        one, two = it.told("police")
        assert two["supersedes"] == one["message_id"]


async def _moment() -> None:
    await asyncio.sleep(0.05)
