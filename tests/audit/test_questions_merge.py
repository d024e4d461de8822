"""Question 5: what a wrong link or merge touched, and whether what put it right arrived."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway import clock
from gateway.audit.answer import Answer
from gateway.audit.asking import Asking, answer
from gateway.audit.questions import posed
from gateway.audit.scope import EVERYTHING, Scope
from gateway.model.ids import AgencyName, PersonRef
from gateway.store import people
from gateway.store.merges import records
from tests import canaries
from tests.audit.evidence import LAW, column, desk
from tests.gateway.nights import Night, Sleeper, night
from tests.gateway_in_process import planned_release
from tests.store.stores import about, accepted

OTHER_NOMS = "Z0702ZZ"
POLICE = Sleeper(name="police", number="07700900001")
DESK = Sleeper(name="probation", role="probation_offender_manager", organisation_class="probation")


def asking(at: Night, scope: Scope = EVERYTHING) -> Asking:
    return Asking(
        connection=at.store.reader,
        sealed=at.store.sealed,
        directory=at.directory,
        law=LAW,
        verifiers=(),
        now=at.clock(),
        staff="dpo-01",
        scope=scope,
        purpose="lawfulness",
        justified=False,
    )


async def asked(at: Night, code: str, scope: Scope = EVERYTHING, **of: Any) -> Answer:
    found = await answer(posed(code, **of), asking(at, scope), at.store.commit)
    assert isinstance(found, Answer)
    return found


async def joined_and_parted(at: Night, *, recalls_arrive: bool) -> tuple[PersonRef, PersonRef]:
    """Tell of two as one person, then find that they are two."""
    await at.happens("risk.assessed")  # of the first, who is the canary
    await at.happens("risk.assessed", data={"identifiers": {"noms": OTHER_NOMS}})
    one, other = (PersonRef(one["person"]) for one in at.story("collection"))
    both = {"noms": canaries.NOMS, "superseded_noms": OTHER_NOMS}
    await at.happens("person.merged", data={"identifiers": both})
    assert len(records(at.store.reader, one)) == 2
    await at.happens("release.planned", data=_release(OTHER_NOMS))
    if not recalls_arrive:
        for hook in at.hooks.values():
            hook.answers_now(*[503] * 20)
    at.clock.now = clock.now()
    await at.happens("person.unmerged", data={"identifiers": both})
    assert len(records(at.store.reader, one)) == 1
    return one, other


def _release(noms: str) -> dict[str, Any]:
    data: dict[str, Any] = planned_release()["data"]
    return data | {"identifiers": {"noms": noms}}


async def test_everything_told_under_a_wrong_merge_is_listed_with_its_recall(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, [POLICE, DESK]) as at:
        one, other = await joined_and_parted(at, recalls_arrive=True)
        story = at.story("disclosure")
        under = {
            entry["alert"]
            for entry in story
            if entry["message"] == "NOTIFY" and entry["person"] == one and entry["grants"]
        }
        righted = {
            entry["supersedes"]: entry["alert"]
            for entry in story
            if entry["message"] in {"RECALL", "CORRECTION"}
        }
        assert righted.keys() & under, "the stage recalls"
        for person in (one, other):
            found = await asked(at, "merge", person=person)
            assert righted.keys() <= set(column(found, "alert"))
            for alert, by, reached in zip(
                column(found, "alert"),
                column(found, "righted_by"),
                column(found, "righted_reached"),
                strict=True,
            ):
                assert by == righted.get(alert)
                assert (reached is not None) == (alert in righted)
            assert f"Merge of {other} into {one}, undone" in found.reading[0]
            assert "the correction or recall reached Example" in " ".join(found.reading)
            assert set(column(found, "entry")) <= set(found.entries)
        known = await asked(at, "who-knows", person=other)
        theirs = {ref for (ref,) in at.rows("SELECT ref FROM event WHERE person = ?", other)}
        of_theirs = {entry["alert"] for entry in story if entry["event"] in theirs}
        assert of_theirs & righted.keys(), "of the other, under the record of the one"
        assert of_theirs <= set(column(known, "alert"))
        assert "taken for one" in " ".join(known.caveats)
        stranger = Scope(agencies=frozenset({AgencyName("hmp-elsewhere")}))
        hidden = await asked(at, "merge", stranger, person=one)
        assert (hidden.rows, hidden.entries) == ((), ())


async def test_a_recall_that_has_not_arrived_is_said_so(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE]) as at:
        one, _ = await joined_and_parted(at, recalls_arrive=False)
        found = await asked(at, "merge", person=one)
        assert any(column(found, "righted"))
        assert not any(column(found, "righted_reached"))
        assert "that has NOT reached Example police" in " ".join(found.reading)
        assert any("that has not reached them" in now for now in column(found, "standing"))


async def test_a_merge_that_stands_and_a_link_that_was_cut_are_said_as_they_are(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        one = await at.event(1)
        other = await accepted(at.store, about({"noms": OTHER_NOMS}, id_="evt-other"))
        act = people.Act(
            sealed=at.store.sealed, new_id=clock.new_id, by="registry-desk", reason="photographs",
            now=clock.now(), today=clock.day(clock.now()),
        )  # fmt: skip
        await at.store.commit(people.link(one.person, "crn", "Z000601", act))
        alert = await at.told(one, "police", at=clock.now())
        await at.store.commit(people.unlink(one.person, "crn", "Z000601", _later(act)))
        await at.store.commit(people.merge(one.person, other.person, _later(act)))
        found = await at.ask(posed("merge", person=one.person).ask)
        assert column(found, "alert") == [alert]
        assert column(found, "standing") == ["in force"]
        reading = " ".join(found.reading)
        assert f"Link of a crn to {one.person}, cut" in reading
        assert "not put right" in reading
        assert f"Merge of {other.person} into {one.person}, in force" in reading
        alone = await at.ask(posed("merge", person=(await at.event(3)).person).ask)
        assert alone.rows == ()
        assert "no merge or cut link" in alone.reading[0]


def _later(act: people.Act) -> people.Act:
    return replace(act, now=clock.now())
