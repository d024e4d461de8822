"""What a wrong merge, a restriction, a human's decision and a vanished recipient lead to."""

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import clock
from gateway.instance import commit_one, sealed_store
from gateway.store import tasks
from gateway.store.group_commit import Staged
from tests.gateway.tellings import NEAR, Scene, happened, revising, scene

OTHER_NOMS = "Z7777ZY"
ON_CONDITIONS = {"grade": "1AC", "conditions": "To the lead officer only."}  # a human reads them


def about(noms: str, event: dict[str, Any], *groups: str) -> dict[str, Any]:
    """Return an event about the person of another number, with only some of its groups."""
    kept = {name: event["data"][name] for name in groups}
    return event | {"data": kept | {"identifiers": {"noms": noms}}}


def joining(kind: str, id_: str) -> dict[str, Any]:
    event = happened(kind, id_)
    return event | {"data": {"identifiers": {"noms": "Z7777ZZ", "superseded_noms": OTHER_NOMS}}}


async def test_a_wrong_merge_undone_is_told_to_exactly_those_told_under_it(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path / "instance") as it:
        alone = await it.post(happened("release.planned", "e-1"))
        await it.post(about(OTHER_NOMS, happened("custody.sent_to_court", "e-2"), "custody"))
        await it.post(joining("person.merged", "e-3"))
        own = await it.post(happened("release.date_changed", "e-4"))
        other = await it.post(about(OTHER_NOMS, happened("release.planned", "e-5"), "custody"))
        before = {ref: it.disclosed(ref) for ref in (own, other)}
        assert all(before.values())
        told = len(it.told("police"))
        await it.post(joining("person.unmerged", "e-6"))
        for ref, names in before.items():
            assert it.disclosed(ref, "CORRECTION", "RECALL") == names
        assert it.disclosed(alone, "CORRECTION", "RECALL") == set()  # told before the merge
        corrected = it.told("police")[told:]
        persons = dict(it.rows("SELECT ref, person FROM event WHERE ref IN (?, ?)", own, other))
        assert {one["case_ref"] for one in corrected} == set(persons.values())
        for one in corrected:
            if one["message_type"] == "RECALL":
                assert one["reason"] == "wrong-merge"
            elif one["case_ref"] == persons[other]:
                assert "mappa" not in one["facts"]


async def test_a_restriction_keeps_what_has_not_left_from_leaving(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance", away=("police",)) as it:
        first = await it.post_only(happened("release.planned", "e-1"))
        while not it.hooks["police"].received:  # noqa: ASYNC110 - the gateway decides when
            await asyncio.sleep(0.02)
        await it.post(
            happened("risk.assessed", "e-2", handling={"restricted": True, "restricted_to": []})
        )
        rows = it.rows("SELECT recipient, state, reason FROM outbox WHERE event = ?", first)
        assert ("police", "withheld", "restricted") in rows
        assert {recipient for recipient, state, _ in rows if state == "accepted"} == NEAR - {
            "police"
        }
        tried = len(it.hooks["police"].received)
        await asyncio.sleep(1.5)  # retries and a sweep would have come by
        assert len(it.hooks["police"].received) == tried
        [entry] = [e for e in it.gateway.entries("attempt") if e["outcome"] == "withheld"]
        assert entry["reason"] == "restricted"


async def approve(it: Scene, recipient: str, rule: str | None = None) -> str:
    """Approve an open task about a recipient, as a human would; return its rule."""
    config = it.gateway.config
    sealed = sealed_store(config)
    id_, named = it.rows(
        "SELECT id, rule FROM task WHERE recipient = ?1 AND (?2 IS NULL OR rule = ?2)"
        " AND state = 'open' ORDER BY rule",
        recipient,
        rule,
    )[0]
    unit = tasks.decide(
        sealed, id_, "approved", by="mappa-chair-1", reason="needed tonight", now=clock.now()
    )

    def logged(connection: Any) -> Staged[None]:
        return Staged(None, unit(connection).entries)

    await commit_one(config, logged)
    return str(named)


async def test_an_approved_decision_discloses_that_rule_to_that_recipient_and_no_more(
    tmp_path: Path,
) -> None:
    """Harassment measures, and no MAPPA category: the prison decides case by case (D6)."""
    async with scene(tmp_path / "instance") as it:
        event = happened("release.planned", "e-1", offence={"harassment_or_no_contact": True})
        del event["data"]["mappa"]
        first = await it.post(event)
        before = {name: len(it.told(name)) for name in it.hooks}
        await approve(it, "police", "police-harassment")
        await it.settled()
        after = {name: len(it.told(name)) for name in it.hooks}
        assert after == before | {"police": before["police"] + 1}
        alert = it.told("police")[-1]
        assert {grant["rule_id"] for grant in alert["grants"]} == {"police-harassment"}
        granted = {member for grant in alert["grants"] for member in grant["members"]}
        [(body, done)] = it.rows(
            "SELECT body, carried_out FROM task WHERE rule = 'police-harassment'"
        )
        assert granted == set(orjson.loads(body)["members"])
        assert {grant["decided_by"] for grant in alert["grants"]} == {"prison_public_protection"}
        assert "police" in it.disclosed(first)
        assert done == 1


async def test_an_approved_decision_lapses_when_its_event_was_retracted(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1", handling=ON_CONDITIONS))
        await it.running.aclose()
        rule = await approve(it, "coordinator")
        await commit_one(it.gateway.config, _retracted(first))
        await it.restart()
        await it.settled()
        assert "coordinator" not in it.messages()
        assert it.rows("SELECT state FROM task WHERE rule = ?", rule) == [("lapsed",)]
        codes = [e["reasons"][0]["code"] for e in it.gateway.entries("refusal")]
        assert "event-retracted" in codes


def _retracted(event: str) -> Any:
    def unit(connection: Any) -> Staged[None]:
        connection.execute("UPDATE event SET state = 'retracted' WHERE ref = ?", (event,))
        return Staged(None)

    return unit


async def test_open_questions_lapse_with_their_event(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1", handling=ON_CONDITIONS))
        await it.post(revising("event.retracted", "e-2", "e-1"))
        states = {state for (state,) in it.rows("SELECT state FROM task WHERE kind = 'disclosure'")}
        assert states == {"lapsed"}


async def test_a_decided_alert_is_corrected_and_recalled_like_any(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        first = await it.post(happened("release.planned", "e-1", handling=ON_CONDITIONS))
        await approve(it, "coordinator")
        await it.settled()
        await it.post(
            revising("event.corrected", "e-2", "e-1",
                     custody={"prison": "EXI", "planned_date": "2027-01-02"})
        )  # fmt: skip
        await it.post(revising("event.retracted", "e-3", "e-1"))
        assert it.messages()["coordinator"] == ["NOTIFY", "CORRECTION", "RECALL"]
        assert it.told("coordinator")[1]["facts"]["custody"]["planned_date"] == "2027-01-02"
        assert it.disclosed(first, "RECALL") == it.disclosed(first, "NOTIFY")


async def test_who_was_told_and_is_gone_is_a_matter_for_a_human(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1"))

        def withdrawn(connection: Any) -> Staged[None]:
            connection.execute("DELETE FROM recipient WHERE id = 'police'")
            connection.execute("UPDATE setting SET value = 'dir_2' WHERE name = 'directory'")
            return Staged(None)

        await commit_one(it.gateway.config, withdrawn)
        second = await it.post(revising("event.retracted", "e-2", "e-1"))
        assert it.messages() == {
            name: ["NOTIFY"] if name == "police" else ["NOTIFY", "RECALL"] for name in NEAR
        }
        [warning] = it.gateway.entries("security")
        assert (warning["code"], warning["event"]) == ("told-recipient-gone", second)


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_the_log_says_was_told_is_told_of_every_revision(
    tmp_path: Path, seed: int
) -> None:
    """However an event is corrected, retracted and taken up again."""
    rng = random.Random(seed)
    async with scene(tmp_path / "instance") as it:
        ids = ["e-0"]
        await it.post_only(happened("release.planned", "e-0"))
        for number in range(1, 9):
            id_, of = f"e-{number}", rng.choice(ids)
            if rng.random() < 0.3:
                event = happened("release.date_changed", id_)
            elif rng.random() < 0.5:
                event = revising("event.retracted", id_, of)
            else:
                area = rng.choice(["exampleshire", "othershire"])
                event = revising(
                    "event.corrected",
                    id_,
                    of,
                    location={"home_area": area, "address_status": "NFA"},
                )
            await it.post_only(event)
            ids.append(id_)
        await it.settled()
        standing: dict[str, dict[str, dict[str, Any]]] = {}
        revisions = 0
        for (event_ref, reviser), entries in _decisions(it.gateway.entries("disclosure")):
            told = standing.setdefault(event_ref, {})
            if reviser is not None:
                revised = {
                    e["recipient"] for e in entries if e["message"] in {"CORRECTION", "RECALL"}
                }
                assert revised == {
                    name for name, last in told.items() if last["message"] != "RECALL"
                }
                revisions += 1
            for one in entries:
                if one["message"] in {"CORRECTION", "RECALL"}:
                    assert one["supersedes"] == told[one["recipient"]]["alert"]
                told[one["recipient"]] = one
        assert revisions


def _decisions(entries: list[dict[str, Any]]) -> list[tuple[tuple[str, Any], list[Any]]]:
    """Group the entries of one decision about one event; what is newly told goes with it."""
    found: list[tuple[tuple[str, Any], list[Any]]] = []
    times: dict[tuple[str, str], tuple[tuple[str, Any], list[Any]]] = {}
    for one in entries:
        reviser = one.get("revised_by")
        key = (one["event"], one["at"])
        if key in times:
            times[key][1].append(one)
            if reviser and times[key][0][1] is None:
                index = found.index(times[key])
                found[index] = times[key] = ((one["event"], reviser), times[key][1])
            continue
        times[key] = ((one["event"], reviser), [one])
        found.append(times[key])
    return found
