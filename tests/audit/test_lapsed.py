"""Question 8: which disclosures rest on what had lapsed."""

from datetime import date
from pathlib import Path

import pytest

from gateway.audit.answer import Answer
from gateway.audit.lapsed import lapsed
from gateway.audit.scope import Scope
from gateway.instance import rulebook_texts
from gateway.store import rulebooks
from gateway.store.group_commit import Staged
from policies.rulebook import load_rulebook
from tests.audit.evidence import AGREEMENT, LAW, NOW, OTHER, Desk, column, desk, grant, later
from tests.store.stores import PRISON


async def asked(at: Desk, scope: Scope | None = None) -> Answer:
    return await (at.ask(lapsed) if scope is None else at.ask(lapsed, scope))


async def test_what_was_in_force_is_not_listed(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", grants=[grant(document="APD-EXAMPLE-JUSTICE-1")])
        await at.told(event, "hostel")
        found = await asked(at)
    assert found.rows == ()
    assert found.entries == ()
    assert found.reading[0] == "Disclosures of facts that were looked at: 2."
    assert "None rests on" in found.reading[1]


@pytest.mark.parametrize(
    ("day", "state", "sentence"),
    [(later(0), None, "None"), (later(400), "review late", "still in force")],
    ids=["on-time", "late"],
)
async def test_a_late_review_is_a_warning_and_no_lapse(
    tmp_path: Path, day: object, state: str | None, sentence: str
) -> None:
    async with desk(tmp_path) as at:
        await at.told(await at.event(), "police", at=day)  # type: ignore[arg-type]
        found = await asked(at)
    assert column(found, "state") == ([state] if state else [])
    assert any(sentence in one for one in found.reading)
    assert "None rests on" in found.reading[1]


async def test_a_reference_nobody_knows_and_a_document_that_is_missing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", agreement="ISA-GONE")
        await at.told(event, "police", grants=[grant("health_routing.mha_status")])
        await at.told(event, "probation", agreement=None)
        found = await asked(at)
    assert sorted(column(found, "state")) == ["none named", "not in the catalogue"]
    assert set(column(found, "entry")) == set(found.entries)
    assert any("not in force that day: 2 disclosures" in one for one in found.reading)
    assert any("Names no agreement: 1 disclosure." in one for one in found.reading)


async def test_a_designation_that_had_ended(tmp_path: Path) -> None:
    async with desk(tmp_path, ends_on=date(2026, 3, 2)) as at:
        event = await at.event()
        await at.told(event, "hostel")  # its last day
        await at.told(event, "hostel", at=later(1))
        await at.told(event, "police", at=later(1))  # needs no designation
        found = await asked(at)
    assert column(found, "rests_on") == ["designation"]
    assert column(found, "reference") == ["RA-7"]
    assert column(found, "on") == ["2026-03-02"]


async def test_each_is_judged_by_the_catalogue_of_its_day_and_of_now(tmp_path: Path) -> None:
    texts = _with(AGREEMENT, "review_date = 2027-03-31\nends_on = 2026-02-28")
    old = load_rulebook(texts)
    async with desk(tmp_path) as at:

        def keep(connection: object) -> Staged[None]:
            rulebooks.keep(connection, old.digest, texts, NOW)  # type: ignore[arg-type]
            return Staged(None)

        await at.store.commit(keep)
        await at.told(await at.event(), "police", rulebook=old.digest)
        await at.told(await at.event(2), "police")
        found = await asked(at)
    assert column(found, "state") == ["ended"]
    assert column(found, "catalogue") == ["the rulebook of that day"]
    assert column(found, "on") == ["2026-02-28"]


async def test_a_controller_sees_its_own_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.told(await at.event(), "police", agreement="ISA-GONE")
        ours = await asked(at, Scope(agencies=frozenset({PRISON})))
        theirs = await asked(at, Scope(agencies=frozenset({OTHER})))
        police = await asked(at, Scope(organisations=frozenset({"Exampleshire Police"})))
    assert (len(ours.rows), len(theirs.rows), len(police.rows)) == (1, 0, 1)


async def test_a_recall_rests_on_no_agreement(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.told(await at.event(), "police", grants=[], message="RECALL", agreement="ISA-GONE")
        found = await asked(at)
    assert found.rows == ()


def test_an_agreement_may_say_when_it_begins_and_ends() -> None:
    held = load_rulebook(
        _with(AGREEMENT, "review_date = 2027-03-31\nbegins_on = 2026-01-01\nends_on = 2028-01-01")
    ).catalogues.agreements[AGREEMENT]
    assert (held.begins_on, held.ends_on) == (date(2026, 1, 1), date(2028, 1, 1))
    assert LAW.catalogues.agreements[AGREEMENT].ends_on is None


def _with(reference: str, dates: str) -> dict[str, str]:
    """Return the rulebook's texts with other dates in an agreement."""
    texts = rulebook_texts(None)
    name = next(one for one in texts if one.endswith("agreements.toml"))
    assert f'["{reference}"]' in texts[name]
    return texts | {name: texts[name].replace("review_date = 2027-03-31", dates)}
