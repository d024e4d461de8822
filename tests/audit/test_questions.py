"""Questions 1 to 4, 6 and 7 against what truly happened."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.answer import Answer
from gateway.audit.asking import (
    MAX_JUSTIFICATION,
    NOBODY,
    UNKNOWN,
    Asking,
    NotLogged,
    Question,
    answer,
)
from gateway.audit.questions import posed, posed_breach
from gateway.audit.reading_codes import REASONS
from gateway.audit.scope import EVERYTHING
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.instance import VKEY_NAME
from gateway.model.decision import Reason, Withheld
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef, RecipientId, RuleId
from gateway.model.staff import StaffId
from gateway.store import alerts, justifications
from gateway.store.group_commit import Unit
from gateway.store.log_index import Query, catch_up, search
from gateway.store.sqlite import StoreUnavailable
from tests import canaries
from tests.audit.evidence import LAW, THEN, Desk, column, desk, later
from tests.docs.pages import ROOT, first_codes, section
from tests.gateway.nights import Night, Sleeper, night
from tests.store.stores import logging

POLICE = Sleeper(name="police", number="07700900001")
GP = Sleeper(name="gp", role="gp_practice", organisation_class="nhs_gp_practice", hook=False,
             number="07700900002")  # fmt: skip


@dataclass(frozen=True)
class Played:
    """A night that was played, and its officer."""

    night: Night
    person: PersonRef
    alert: AlertId

    def asking(self) -> Asking:
        vkey = (self.night.config.home / VKEY_NAME).read_text().split("\n")[0]
        return Asking(
            connection=self.night.store.reader,
            sealed=self.night.store.sealed,
            directory=self.night.directory,
            law=LAW,
            verifiers=(VerifierKey.parse(vkey),),
            now=self.night.clock(),
            staff="dpo-01",
            scope=EVERYTHING,
            purpose="lawfulness",
            justification="A letter of complaint",
        )

    async def ask(self, code: str, **of: Any) -> Answer:
        found = await answer(posed(code, **of), self.asking(), self.night.store.commit)
        assert isinstance(found, Answer)
        return found


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Played]:
    async with night(tmp_path, [POLICE, GP]) as at:
        await at.happens("release.planned")
        first = next(one for one in at.story("disclosure") if one["recipient"] == "police")
        answered = alerts.answer(
            AlertId(first["alert"]), "acknowledged", means="api", by="sergeant", reason=None,
            now=at.clock(),
        )  # fmt: skip
        await at.store.commit(answered)
        yield Played(night=at, person=PersonRef(first["person"]), alert=AlertId(first["alert"]))


async def test_what_a_recipient_was_told_is_what_arrived_and_who_knows_is_who_was_told(
    played: Played,
) -> None:
    found = await played.ask("told", person=played.person, recipient="police")
    (arrived,) = played.night.opened("police")
    logged = [one for one in played.night.story("disclosure") if one["recipient"] == "police"]
    assert column(found, "alert") == [played.alert] * len(logged)
    told = set(column(found, "members")[-1].split("; "))
    assert {path.partition(".")[0] for path in told} == arrived["facts"].keys()
    assert told == {path for grant in logged[0]["grants"] for path in grant["members"]}
    assert set(column(found, "rules")[0].split("; ")) == {
        grant["rule"] for grant in logged[0]["grants"]
    }
    assert column(found, "rulebook") == [logged[0]["rulebook"]] * len(logged)
    assert column(found, "attempts")[-1] == 1
    assert column(found, "delivered")[-1] is not None
    assert (column(found, "answer")[0], column(found, "standing")[0]) == (
        "acknowledged", "in force"
    )  # fmt: skip
    reading = " ".join(found.reading)
    assert "Example police" in reading
    assert "by webhook, they were told: who the person is" in reading, "the text is in reserve"
    assert "They acknowledged it on" in reading
    assert "Criminal Justice Act 2003" in reading or "Offender Management Act 2007" in reading
    assert set(column(found, "entry")) <= set(found.entries)
    assert len(found.entries) > len(found.rows), "attempts and answers are evidence too"

    found = await played.ask("who-knows", person=played.person)
    recipients = {one["recipient"] for one in played.night.story("disclosure")}
    assert set(column(found, "recipient")) == recipients
    assert f"{len(recipients)} recipient" in found.reading[0]
    assert found.asked == {"person": played.person}


async def test_a_recall_is_said_with_whether_it_arrived(played: Played) -> None:
    identifiers = {"noms": canaries.NOMS}
    await played.night.happens(
        "event.retracted", corrects="evt-1", data={"identifiers": identifiers}
    )
    found = await played.ask("told", person=played.person, recipient="police")
    standing = column(found, "standing")[-1]
    assert standing.startswith("recalled on")
    assert "the sender took it back; that reached them on" in standing
    assert column(found, "what")[0] == "sent a recall"
    known = await played.ask("who-knows", person=played.person)
    assert "1 of 1 alert with facts were put right since" in known.reading[1]
    found = await played.ask("genuine", alert=played.alert)
    checks = dict(zip(column(found, "check"), column(found, "holds"), strict=True))
    assert (checks["logged"], checks["in force"]) == (True, False)


async def test_refusals_are_every_reason_and_a_rule_is_each_disclosure_that_rests_on_it(
    played: Played,
) -> None:
    refusals = played.night.story("refusal")
    found = await played.ask("refused", person=played.person)
    nothing = [row for row in found.rows if row[3] == "told nothing"]
    assert len(nothing) == len(refusals)
    for one in refusals:
        for reason in one["reasons"]:
            assert any(reason["code"] in text for text in column(found, "codes"))
    event = played.night.story("collection")[0]["event"]
    of_event = await played.ask("refused", event=event, recipient="police")
    assert set(column(of_event, "recipient")) <= {"police", "*"}
    with pytest.raises(ValueError, match="person or an event"):
        await played.ask("refused", recipient="police")

    logged = played.night.story("disclosure")
    rule = logged[0]["grants"][0]["rule"]
    resting = [one for one in logged if rule in {grant["rule"] for grant in one["grants"]}]
    found = await played.ask("rule", rule=RuleId(rule))
    assert sorted(column(found, "alert")) == sorted(one["alert"] for one in resting)
    assert set(column(found, "agency")) == {"hmp-exampleton"}
    assert any("s.62(4)" in one for one in found.caveats)
    day = played.night.clock()
    none = await played.ask("rule", rule=RuleId(rule), until=day.replace(year=day.year - 1))
    assert none.rows == ()
    assert "Nothing that you may see" in none.reading[-1]
    unknown = await played.ask("rule", rule=RuleId("no-such-rule"))
    assert "has no rule" in unknown.reading[0]


async def test_an_alert_is_known_by_its_id_its_reference_or_what_came_with_it(
    played: Played,
) -> None:
    by_id = await played.ask("genuine", alert=played.alert)
    by_reference = await played.ask("genuine", alert=played.alert[-12:])
    assert by_reference.rows == by_id.rows
    assert "is genuine" in by_id.reading[0]
    checks = dict(zip(column(by_id, "check"), column(by_id, "holds"), strict=True))
    assert checks == {
        "known to this gateway": True,
        "logged": True,
        "witnessed": False,
        "in force": True,
        "delivered": True,
        "answered": True,
    }
    body, text = played.night.rows(
        "SELECT body, proof FROM outbox JOIN log_entry ON idx = leaf_index WHERE alert = ?",
        played.alert,
    )[0]
    held = await played.ask("genuine", entry=body, tlog_proof=text)
    assert held.rows[0][1:4] == ("an entry of this log", True, "byte for byte")
    assert held.rows[1:] == by_id.rows
    altered = await played.ask("genuine", entry=body.replace(b"police", b"polite"))
    assert [row[2] for row in altered.rows] == [False]
    wrong = await played.ask("genuine", entry=body, tlog_proof=text.replace("index ", "index 9"))
    assert wrong.rows[0][2] is False
    for unknown in ("alt_" + "0" * 32, "0" * 12):
        found = await played.ask("genuine", alert=unknown)
        assert (found.rows, found.asked) == ((), {})
        assert "Do not act on it" in found.reading[0]


async def test_whoever_looked_is_seen_and_the_one_who_asks_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        for code in ("who-knows", "looked"):
            question = posed(code, person=event.person)
            asking = replace(at.asking(), justification="A complaint")
            found = await answer(question, asking, at.store.commit)
        assert isinstance(found, Answer)
        assert column(found, "who") == ["dpo-01", "dpo-01"]
        assert column(found, "read") == ["the log: who looked", "the log: who was told"]
        assert column(found, "justified") == ["yes", "yes"]
        auditors = await at.ask(posed("looked", staff=StaffId("dpo-01")).ask)
        assert len(auditors.rows) == 3
        assert (await at.ask(posed("looked", staff=StaffId("dpo-02")).ask)).rows == ()


async def test_pages_go_on_where_they_ended_whatever_is_logged_meanwhile(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        told = [await at.told(event, "police", at=later(n)) for n in range(7)]
        pages: list[str] = []
        after = None
        while True:
            question = posed("who-knows", person=event.person, after=after, limit=3)
            found = await at.ask(question.ask)
            pages += column(found, "alert")
            assert ("next page" in found.reading[-1]) == (found.next_page is not None)
            if found.next_page is None:
                break
            after = found.next_page
            await at.told(event, "police", at=later(9))
            await at.store.commit(catch_up(5))
    assert pages == told[::-1]
    with pytest.raises(ValueError, match="invalid literal"):
        posed("who-knows", person=event.person, after="next")


class Away(StoreUnavailable):
    """The writer that is not there."""

    def __init__(self) -> None:
        super().__init__("closed", "away")


async def test_nothing_is_read_before_the_consultation_is_durable(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        asked: list[str] = []

        def ask(asking: Asking) -> Answer:
            seen = search(asking.reader, Query(terms=(("what", "audit.told"),)), limit=1)
            asked.append(seen.entries[0][1]["reader"])
            raise RuntimeError("killed between")

        async def away(_unit: Unit[None]) -> None:
            raise Away

        question = Question(code="told", ask=ask, person=event.person)
        asking = at.asking()
        with pytest.raises(NotLogged):
            asking.reader  # noqa: B018 - reading it is the point
        with pytest.raises(Away):
            await answer(question, asking, away)
        assert asked == [], "read though the log did not know"
        with pytest.raises(RuntimeError, match="killed"):
            await answer(question, asking, at.store.commit)
        assert asked == ["dpo-01"], "the log knew when it was read"
        with pytest.raises(NotLogged):
            asking.reader  # noqa: B018 - it is good for one question only


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"purpose": "statistics"}, "not-a-use-of-the-log"),
        ({"justified": True, "justification": "  "}, "justification-required"),
        ({"justification": "x" * (MAX_JUSTIFICATION + 1)}, "justification-too-long"),
    ],
)
async def test_what_may_not_be_asked_is_refused_and_leaves_no_trace(
    tmp_path: Path, changed: dict[str, Any], code: str
) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        size = at.store.reader.execute("SELECT size FROM log_head").get
        question = posed("who-knows", person=event.person)
        found = await answer(question, replace(at.asking(), **changed), at.store.commit)
        assert isinstance(found, Reason)
        assert found.code == code
        assert at.store.reader.execute("SELECT size FROM log_head").get == size


async def test_why_is_kept_sealed_and_typed_words_never_enter_the_log(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        asking = replace(at.asking(), justification=" because of Canary ", justified=True)

        async def logged(question: Question) -> dict[str, Any]:
            await answer(question, asking, at.store.commit)
            found = search(at.store.reader, Query(terms=(("actor", "dpo-01"),)), limit=1)
            return found.entries[0][1]

        one = await logged(posed("told", person=event.person, recipient="9990000018"))
        assert (one["person"], one["recipient"]) == (event.person, UNKNOWN)
        assert one["about"] == {"purpose": "lawfulness"}
        assert "Canary" not in str(one)
        words = justifications.words_of(
            at.store.reader, at.store.sealed, event.person, one["reason_mac"]
        )
        assert words == "because of Canary"
        rule = await logged(posed("rule", rule=RuleId("Canary Surname")))
        assert rule["about"]["rule"] == UNKNOWN
        known = await logged(posed("rule", rule=RuleId(next(iter(LAW.rulebook.rules)))))
        assert known["about"]["rule"] != UNKNOWN
        nobody = await logged(posed("who-knows", person=NOBODY))
        assert "person" not in nobody
        breach = posed_breach("agency", "hmp-exampleton", since=THEN, discovered=THEN)
        assert (await logged(breach))["about"]["agency"] == "hmp-exampleton"
        alert = await logged(posed("genuine", alert="07700900001"))
        assert alert["about"]["alert"] == UNKNOWN


async def test_what_is_kept_back_of_an_alert_is_told_with_its_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        reason = Reason(code="minimised", text="")
        await held_back(at, event.ref, event.person, Withheld(group="victim", reason=reason))
        found = await at.ask(posed("refused", person=event.person, recipient="police").ask)
        assert column(found, "outcome") == ["told in part"]
        assert column(found, "groups") == ["victim"]
        assert "only what it needs" in column(found, "why")[0]
        told = await at.ask(posed("told", person=event.person, recipient="police").ask)
        assert column(told, "withheld")[0].startswith("victim: ")


async def held_back(at: Desk, event: EventRef, person: PersonRef, held: Withheld) -> None:
    known = at.directory.recipients[RecipientId("police")]
    one = entry.disclosure(
        at=THEN, alert=AlertId("alt_" + "1" * 32), event=event, person=person, recipient=known.id,
        role=known.role, endpoint=known.endpoints[0].id, channel="webhook", form="sealed",
        grants=(), withheld=(held,), rulebook="f" * 64, payload_mac="0" * 64, agreement=None,
        actor="throughgate.example", acknowledge_by=None,
    )  # fmt: skip
    await at.store.commit(logging(one.encode()))


async def test_a_timeline_that_was_read_is_knowing_and_one_that_showed_nothing_is_said_so(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        for shown in (0, 2):
            one = entry.question(
                at=THEN, what="timeline", person=event.person, reader="probation", shown=shown,
                agency=AgencyName("hmp-exampleton"),
            )  # fmt: skip
            await at.store.commit(logging(one.encode()))
        found = await at.ask(posed("who-knows", person=event.person).ask)
        assert column(found, "what") == [
            "read the person's timeline",
            "read the person's timeline, and was shown nothing",
        ]
        assert "timeline was read by probation" in found.reading[-1]


def test_every_reason_the_officers_page_names_has_words_for_a_letter() -> None:
    page = ROOT / "docs/dpo.md"
    named = first_codes(section(page, "Refusals")) + first_codes(
        section(page, "Refused as a whole")
    )
    of_other_things = {"key-…", "not-a-use-of-the-log", "subject-access-restricted"}
    assert len(named) > 30
    assert set(named) - REASONS.keys() == of_other_things
    assert all(words.endswith(".") for words in REASONS.values())
