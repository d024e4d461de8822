"""Question 2 as the person asks it: who was told about me?"""

from pathlib import Path

import pytest

from gateway.audit.asking import Question, answer
from gateway.audit.pack import as_csv, as_zip, pack_of
from gateway.audit.pack_pdf import html
from gateway.audit.subject_access import Ground, Undecided, disclosures_of, restrictions
from gateway.model.ids import AgencyName, AlertId, PersonRef
from gateway.model.person import StatedGroup
from tests.audit.evidence import NOW, VERIFIER, Desk, column, desk, grant, later

SAR_RESTRICTED = {
    "handling": StatedGroup(
        members={"sar_restrict": True}, controller=AgencyName("hmp-exampleton"), as_of=NOW
    )
}


async def letter(at: Desk, person: PersonRef | None, **more: object) -> bytes:
    """Return everything the person would be sent, but for the PDF."""
    found = await at.ask(lambda asking: disclosures_of(asking, person, sar=True, **more))  # type: ignore[arg-type]
    pack = pack_of(found, at.store.reader, [VERIFIER], now=NOW)
    return as_csv(found) + as_zip(pack) + html(pack).encode()


async def test_the_letter_names_recipients_the_law_and_no_reference(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        alert = await at.told(event, "police")
        members = ("victim.recorded", "handling.marking", "mappa.level")
        await at.told(event, "probation", at=later(1), grants=[grant(*members)])
        found = await at.ask(lambda asking: disclosures_of(asking, event.person, sar=True))
    assert found.rows[0] == (
        "2026-03-02",
        "Exampleshire Police, Police offender manager",
        "who the person is; custody and release",
        "risk management",
        "Criminal Justice Act 2003 s.325(4)",
    )
    assert found.rows[1][2] == "MAPPA status; information that concerns other people"
    written = as_csv(found).decode()
    for hidden in (event.person, event.ref, alert, "LB01", "webhook", "police-release"):
        assert hidden not in written
    assert found.entries == ()
    assert found.asked == {}


async def test_the_copy_that_stays_has_every_row_its_ground_and_its_entry(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        kept = await at.told(event, "vlo")
        await at.told(event, "police", at=later(1))
        restrict = {kept: Ground.RIGHTS_OF_OTHERS}
        found = await at.ask(
            lambda asking: disclosures_of(asking, event.person, sar=False, restrict=restrict)
        )
        sent = await at.ask(
            lambda asking: disclosures_of(asking, event.person, sar=True, restrict=restrict)
        )
    assert column(found, "restricted") == [None, "rights-of-others"]
    assert len(found.entries) == 2
    reading = " ".join(found.reading)
    assert "s.45(4)(e)" in reading
    assert kept in reading
    assert "victim liaison officer" in reading
    assert [row[1] for row in sent.rows] == ["Exampleshire Police, Police offender manager"]
    assert "rights" not in " ".join(sent.reading)


async def test_with_nothing_to_give_every_letter_is_the_same(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        unknown = await letter(at, None)
        restricted, untold = await at.event(1), await at.event(2)
        alerts = [await at.told(restricted, name) for name in ("police", "vlo")]
        grounds = dict.fromkeys(alerts, Ground.CRIME)
        assert await letter(at, restricted.person, restrict=grounds) == unknown
        assert await letter(at, untold.person) == unknown
        assert await letter(at, PersonRef("per_" + "0" * 32)) == unknown
        assert await letter(at, restricted.person) != unknown


async def test_what_follows_a_restricted_alert_is_restricted_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        first = await at.told(event, "vlo")
        second = await at.told(
            event, "vlo", at=later(1), message="CORRECTION", supersedes=first, grants=[]
        )
        await at.told(event, "vlo", at=later(2), message="RECALL", supersedes=second, grants=[])
        grounds = {first: Ground.CRIME}
        sent = await at.ask(
            lambda asking: disclosures_of(asking, event.person, sar=True, restrict=grounds)
        )
        open_ = await at.ask(lambda asking: disclosures_of(asking, event.person, sar=True))
    assert sent.rows == ()
    assert [row[4] for row in open_.rows][1:] == ["DPA 2018 s.38(5)(c)"] * 2


async def test_a_senders_restriction_waits_for_somebody_to_decide(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police")
        with pytest.raises(Undecided) as refused:
            await at.ask(
                lambda asking: disclosures_of(asking, event.person, sar=True, facts=SAR_RESTRICTED)
            )
        assert refused.value.reason.code == "subject-access-restricted"
        decided = await at.ask(
            lambda asking: disclosures_of(
                asking, event.person, sar=True, facts=SAR_RESTRICTED, decided=True
            )
        )
    assert len(decided.rows) == 1


async def test_an_exercise_told_nobody_of_the_person(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", exercise=True)
        found = await at.ask(lambda asking: disclosures_of(asking, event.person, sar=False))
    assert found.rows == ()
    assert "no disclosure" in found.reading[0]


async def test_restrictions_enter_the_log_by_reference_with_their_grounds(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        alert = await at.told(event, "police")
        about = restrictions({alert: Ground.PUBLIC_SECURITY})
        question = Question(
            code="disclosures",
            ask=lambda asking: disclosures_of(asking, event.person, sar=False),
            person=event.person,
            about=about,
        )
        await answer(question, at.asking(), at.store.commit)
        body = at.store.reader.execute("SELECT body FROM log_entry ORDER BY idx DESC LIMIT 1").get
    assert f'"restricted-public-security-1":"{alert}"'.encode() in body


@pytest.mark.parametrize("ground", list(Ground))
def test_each_ground_says_its_place_in_the_act(ground: Ground) -> None:
    place = "abcde"[list(Ground).index(ground)]
    assert ground.words.endswith(f"s.45(4)({place})")
    assert restrictions({AlertId("alt_1"): ground}) == {f"restricted-{ground.value}-1": "alt_1"}
