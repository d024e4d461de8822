"""The pages of a data protection officer: found, read, proved, kept; and logged before shown."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.disclosure_log import proof
from gateway.model.reference import reference
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.people import find
from tests import canaries
from tests.console.desk import POLICE, PRISON, WHY, desk, dpo, happens, readings, told
from tests.console.stage import Stage

ELSEWHERE = ("hmp-elsewhere",)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance") as staged:
        yield staged


async def test_a_disclosure_is_found_by_identifier_which_nothing_repeats(made: Stage) -> None:
    index, entry = told(made)
    client = await dpo(made)
    found = await client.post("/console/disclosures", {"person": canaries.NOMS, **WHY})
    assert found.status == 200
    assert "1 disclosure found." in found.text
    assert f'formaction="/console/disclosures/{index}"' in found.text
    assert canaries.found_in(found.text) == []
    (logged,) = readings(made, "audit.disclosures")
    assert (logged["reader"], logged["person"]) == ("dpo-01", entry["person"])
    assert len(logged["reason_mac"]) == 64
    assert canaries.found_in(json.dumps(logged)) == []


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"recipient": "police-ppu"}, 1),
        ({"recipient": "housing"}, 0),
        ({"basis": "LB99"}, 0),
        ({"since-day": "1", "since-month": "1", "since-year": "2026"}, 1),
        ({"until-day": "1", "until-month": "1", "until-year": "2026"}, 0),
    ],
    ids=["recipient", "another", "basis", "since", "until"],
)
async def test_a_search_narrows(made: Stage, fields: dict[str, str], count: int) -> None:
    client = await dpo(made)
    found = await client.post("/console/disclosures", {**fields, **WHY})
    assert found.text.count("formaction=") == count
    assert len(readings(made, "audit.disclosures")) == 1


async def test_without_a_justification_nothing_is_shown_or_logged(made: Stage) -> None:
    index, _ = told(made)
    client = await dpo(made)
    for path in ("/console/disclosures", f"/console/disclosures/{index}", "/console/person"):
        answer = await client.post(path, {"person": canaries.NOMS, "why": " "})
        assert answer.status == 422
        assert "There is a problem" in answer.text
        assert 'href="#why"' in answer.text
        assert "Error: " in answer.text.partition("</title>")[0]
    asked = await client.get(f"/console/disclosures/{index}")
    assert "Why you need to look" in asked.text
    assert "police-ppu" not in asked.text
    assert [one for one in made.entries("consultation") if one["what"].startswith("audit.")] == []


async def test_one_disclosure_is_read_with_its_rule_and_proved(made: Stage) -> None:
    index, entry = told(made)
    client = await dpo(made)
    page = await client.post(f"/console/disclosures/{index}", WHY)
    assert page.status == 200
    assert reference(entry["alert"]) in page.text
    rule = entry["grants"][0]["rule"]
    assert f"@id(&#34;{rule}&#34;)" in page.text
    assert "MAPPA status" in page.text
    assert "Verified" in page.text
    assert "Root that was signed" in page.text
    for held in entry["withheld"]:
        assert held["code"].replace("-", " ") in page.text
    (logged,) = readings(made, "audit.disclosure")
    assert logged["person"] == entry["person"]
    file = await client.get(f"/console/disclosures/{index}/proof")
    body = made.row("SELECT body FROM log_entry WHERE idx = ?", index)
    assert proof.verify(file.text, entry=body, verifiers=made.own.verifiers).index == index


async def test_an_altered_entry_is_not_verified(made: Stage) -> None:
    index, _ = told(made)
    client = await dpo(made)

    def alter(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE log_entry SET body = CAST(replace(CAST(body AS TEXT), 'webhook', 'sms')"
            " AS BLOB) WHERE idx = ?",
            (index,),
        )
        return Staged(None)

    await made.store.commit(alter)
    page = await client.post(f"/console/disclosures/{index}", WHY)
    assert "Not verified" in page.text
    found = await client.post("/console/log", {"first": "0", "last": str(index)})
    assert "Not verified" in found.text
    assert f"do not give their hash: {index}." in found.text


async def test_what_is_another_controllers_is_as_if_it_were_not(made: Stage) -> None:
    index, entry = told(made)
    stranger = await dpo(made, "dpo-02", agencies=ELSEWHERE)
    hidden = await stranger.post(f"/console/disclosures/{index}", WHY)
    nothing = await stranger.post("/console/disclosures/999999", WHY)
    assert (hidden.status, nothing.status) == (404, 404)
    assert hidden.text == nothing.text
    known = await stranger.post("/console/person", {"person": entry["person"], **WHY})
    unknown = await stranger.post("/console/person", {"person": "per_" + "0" * 32, **WHY})
    assert (known.status, unknown.status) == (422, 422)
    assert known.text.replace(entry["person"], "per_" + "0" * 32) == unknown.text
    for who in (canaries.NOMS, entry["person"], "A1234AA"):
        found = await stranger.post("/console/disclosures", {"person": who, **WHY})
        assert "Nobody you can see" in found.text
        assert "formaction=" not in found.text
    everything = await stranger.post("/console/disclosures", WHY)
    assert "Nothing was found." in everything.text
    told_to = await made.signed_in("dpo", id_="dpo-03", organisations=(POLICE,))
    theirs = await told_to.post(f"/console/disclosures/{index}", WHY)
    assert theirs.status == 200


async def test_a_timeline_tells_events_alerts_and_records(made: Stage) -> None:
    _, entry = told(made)
    for client in (await dpo(made), await made.signed_in("coordinator", agencies=(PRISON,))):
        page = await client.post("/console/person", {"person": canaries.PNC, **WHY})
        assert page.status == 200
        assert entry["person"] in page.text
        assert "hmp-exampleton stated" in page.text
        assert reference(entry["alert"]) in page.text
        assert "Prison number" in page.text
        assert canaries.found_in(page.text) == []
    assert len(readings(made, "audit.timeline")) == 2
    blank = await client.post("/console/person", {"person": "A1234AA", **WHY})
    assert blank.status == 422
    assert len(readings(made, "audit.timeline")) == 3


async def test_exports_hold_what_the_page_shows(made: Stage) -> None:
    index, entry = told(made)
    client = await dpo(made)
    text = await client.post("/console/disclosures", {**WHY, "export": "csv"})
    assert text.headers["content-type"].startswith("text/csv")
    assert text.text.splitlines()[0].startswith("entry,at,message,recipient")
    assert f"{index}," in text.text
    assert entry["alert"] in text.text
    packed = await client.post("/console/disclosures", {**WHY, "export": "zip"})
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        names = archive.namelist()
        assert any(name.endswith(".csv") for name in names)
        assert any(f"{index:010d}" in name for name in names)
    assert len(readings(made, "audit.disclosures-export")) == 2
    assert canaries.found_in(text.text + packed.text) == []


async def test_every_question_is_answered_and_logged(made: Stage) -> None:
    index, entry = told(made)
    person = {"person": entry["person"], **WHY}
    rule = entry["grants"][0]["rule"]
    asked = {
        "told": {**person, "recipient": "police-ppu"},
        "who-knows": person,
        "subject-access": person,
        "refused": person,
        "rule": {"rule": rule},
        "merge": person,
        "genuine": {"alert": reference(entry["alert"])},
        "looked": person,
        "lapsed": {},
        "breach": {
            "compromised": "endpoint", "subject": "police-ppu/webhook",
            "since-day": "1", "since-month": "1", "since-year": "2026",
            "discovered-day": "2", "discovered-month": "1", "discovered-year": "2026",
        },
    }  # fmt: skip
    client = await dpo(made)
    listing = await client.get("/console/evidence")
    for code, fields in asked.items():
        assert f"/console/evidence/{code}" in listing.text
        form = await client.get(f"/console/evidence/{code}")
        page = await client.post(f"/console/evidence/{code}", fields)
        assert (form.status, page.status) == (200, 200), code
        assert 'id="results"' in page.text, code
        assert len(page.body) < 100_000
        kept = await client.post(f"/console/evidence/{code}", {**fields, "export": "csv"})
        assert kept.headers["content-type"].startswith("text/csv"), code
        assert len(readings(made, f"audit.{code}")) == 2, code
        assert canaries.found_in(page.text + kept.text) == []
    assert f">{index}<" in (await client.post("/console/evidence/rule", asked["rule"])).text


async def test_what_the_rulebook_generates_is_shown_and_kept(made: Stage) -> None:
    client = await dpo(made)
    for code in ("ropa", "agreement"):
        page = await client.get(f"/console/evidence/{code}")
        assert page.status == 200
        assert len(page.body) < 100_000
        kept = await client.post(f"/console/evidence/{code}", {"export": "csv"})
        assert len(kept.text.splitlines()) > 10
    assert (await client.get("/console/evidence/nothing")).status == 404


async def test_wrong_forms_say_what_to_do(made: Stage) -> None:
    client = await dpo(made)
    wrong = await client.post(
        "/console/disclosures",
        {"since-day": "31", "since-month": "2", "since-year": "2026", **WHY},
    )
    assert wrong.status == 422
    assert 'href="#since-day"' in wrong.text
    assert "must be a real date" in wrong.text
    alert = await client.post("/console/evidence/genuine", {"alert": "no reference"})
    assert "A reference looks like XXX-XXX-XXX-XXX" in alert.text
    nobody = await client.post("/console/evidence/told", {"person": "Zz-typed", **WHY})
    assert "Nobody you can see" in nobody.text
    assert "Enter the recipient" in nobody.text
    assert "Zz-typed" not in nobody.text


async def test_pages_of_results_go_on_by_key(made: Stage) -> None:
    for number in range(2, 29):
        await happens(made.own, f"evt-{number}", kind="release.date_changed")
    client = await dpo(made)
    first = await client.post("/console/disclosures", WHY)
    assert first.text.count("formaction=") == 25
    after = first.text.partition('name="after" value="')[2].partition('"')[0]
    second = await client.post("/console/disclosures", {**WHY, "after": after})
    assert 0 < second.text.count("formaction=") <= 25
    assert len(first.body) < 100_000
    one = {part.partition('"')[0] for part in first.text.split('formaction="')[1:]}
    other = {part.partition('"')[0] for part in second.text.split('formaction="')[1:]}
    assert one.isdisjoint(other)


async def test_the_auditors_are_audited(made: Stage) -> None:
    client = await dpo(made)
    stranger = await dpo(made, "dpo-02", agencies=ELSEWHERE)
    await client.post("/console/person", {"person": canaries.NOMS, **WHY})
    looked = await client.post("/console/auditors", {"about": "looked", "staff": "dpo-01"})
    assert 'id="results"' in looked.text
    assert "timeline" in looked.text
    signed = await client.post("/console/auditors", {"about": "sign-ins"})
    assert "dpo-01" in signed.text
    assert "dpo-02" not in signed.text
    other = await stranger.post("/console/auditors", {"about": "looked", "staff": "dpo-01"})
    assert other.status == 422
    kept = await client.post("/console/auditors", {"about": "sign-ins", "export": "csv"})
    assert kept.text.splitlines()[0] == "entry,at,staff,means,outcome"


async def test_an_erasure_takes_a_second_person(made: Stage) -> None:
    _, entry = told(made)
    first, second = await dpo(made), await dpo(made, "dpo-02")
    blank = await first.post("/console/approvals", {"kind": "erasure"})
    assert blank.status == 422
    proposed = await first.post(
        "/console/approvals",
        {"kind": "erasure", "person": canaries.NOMS, "reason": "court-order"},
    )
    assert proposed.to == "/console/approvals?done=proposed"
    (id_,) = made.store.reader.execute("SELECT id FROM approval").fetchone()  # type: ignore[misc]
    path = f"/console/approvals/{id_}"
    assert path in (await second.get("/console/approvals")).text
    own = await first.post(path, {"decision": "approved"})
    assert own.status == 422
    assert "it takes a second person" in own.text
    stranger = await dpo(made, "dpo-03", agencies=ELSEWHERE)
    assert (await stranger.post(path, {"decision": "approved"})).status == 404
    assert id_ not in (await stranger.get("/console/approvals")).text
    approved = await second.post(path, {"decision": "approved"})
    assert approved.to == "/console/approvals?done=approved"
    assert find(made.store.reader, made.store.sealed, "noms", canaries.NOMS) is None
    (erased,) = made.entries("erasure")
    assert erased["person"] == entry["person"]
    page = await first.post("/console/person", {"person": entry["person"], **WHY})
    assert "This person was erased" in page.text


async def test_deciding_asks_for_a_fresh_proof(made: Stage) -> None:
    first, second = await dpo(made), await dpo(made, "dpo-02")
    await first.post(
        "/console/approvals",
        {"kind": "erasure", "person": canaries.NOMS, "reason": "court-order"},
    )
    (id_,) = made.store.reader.execute("SELECT id FROM approval").fetchone()  # type: ignore[misc]
    made.now.pass_by(minutes=6)
    answer = await second.post(f"/console/approvals/{id_}", {"decision": "approved"})
    assert answer.status in {303, 403}
    assert made.entries("erasure") == []
