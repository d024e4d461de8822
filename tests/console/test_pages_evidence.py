"""Evidence over HTTP: a person's letter, what is kept from them and why, and an alert in hand."""

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pypdf
import pytest

from gateway.audit.subject_access import Ground
from gateway.model.ids import AlertId
from gateway.model.reference import reference
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from tests import canaries
from tests.console.desk import PRISON, WHY, desk, dpo, happens, readings, told
from tests.console.pages import SECRET
from tests.console.stage import Client, Stage, another_worker
from tests.gateway_in_process import planned_release

SUBJECT = "/console/evidence/subject-access"
GENUINE = "/console/evidence/genuine"
LETTER = {"copy": "person", **WHY}
NOTHING = "There is nothing that we are required to give you"


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance") as staged:
        yield staged


def answer_of(text: str) -> str:
    """Return the answer as its reader sees it, without the forms after it."""
    return re.sub(r"<[^>]*>|\s+", " ", text.partition('id="results"')[2].partition("<form")[0])


async def test_a_letter_says_who_was_told_and_nothing_of_the_log(made: Stage) -> None:
    _, entry = told(made)
    client = await dpo(made)
    page = await client.post(SUBJECT, {"person": canaries.NOMS, **LETTER})
    said = answer_of(page.text)
    assert "Your request to know who was told about you" not in said  # its heading is the page's
    assert "Exampleshire Police" in said
    assert "neither confirms nor denies" in said
    for secret in (entry["alert"], reference(AlertId(entry["alert"])), "per_", "As of"):
        assert secret not in said
    assert canaries.found_in(page.text) == []
    assert f'name="person" value="{entry["person"]}"' in page.text  # for the files
    kept = await client.post(SUBJECT, {"person": entry["person"], **LETTER, "export": "pdf"})
    assert kept.headers["content-type"] == "application/pdf"
    reader = pypdf.PdfReader(io.BytesIO(kept.body))
    text = " ".join(one.extract_text() for one in reader.pages)
    assert "Exampleshire Police" in re.sub(r"\s+", " ", text)
    assert entry["alert"] not in text
    assert reader.attachments == {}
    first, second = readings(made, "audit.subject-access")
    assert (first["about"]["copy"], first["person"]) == ("person", entry["person"])
    assert first["about"] == second["about"]


async def test_what_is_kept_back_is_in_the_files_copy_and_in_no_letter(made: Stage) -> None:
    _, entry = told(made)
    client = await dpo(made)
    alert = AlertId(entry["alert"])
    kept = {"person": entry["person"], "restrict-crime": reference(alert), **WHY}
    letter = await client.post(SUBJECT, {**kept, "copy": "person"})
    assert NOTHING in letter.text
    assert "Exampleshire Police" not in answer_of(letter.text)
    # It is the letter that somebody gets of whom nothing is known, or not by this controller.
    unknown = await client.post(SUBJECT, {"person": "A1234AA", **LETTER})
    stranger = await dpo(made, "dpo-02", agencies=("hmp-elsewhere",))
    others = await stranger.post(SUBJECT, {"person": entry["person"], **LETTER})
    assert answer_of(letter.text) == answer_of(unknown.text) == answer_of(others.text)
    assert entry["person"] not in others.text
    record = await client.post(SUBJECT, {**kept, "copy": "file"})
    said = answer_of(record.text)
    assert Ground.CRIME.words in said
    assert "This is the record of the reason (s.45(7))" in said
    assert alert in said
    asked = [one["about"] for one in readings(made, "audit.subject-access")]
    assert asked[0] == {
        "copy": "person",
        "purpose": asked[0]["purpose"],
        "restricted-crime-1": alert,
    }
    assert asked[-1]["restricted-crime-1"] == alert
    assert asked[-1]["copy"] == "file"


async def test_a_restriction_names_an_alert_of_that_person_once(made: Stage) -> None:
    _, entry = told(made)
    client = await dpo(made)
    asked = {"person": entry["person"], **LETTER}
    for alerts in ("XXX", "alt_" + "0" * 32, "000-000-000-000"):
        wrong = await client.post(SUBJECT, {**asked, "restrict-inquiries": alerts})
        assert wrong.status == 422
        assert 'href="#restrict-inquiries"' in wrong.text
    twice = {"restrict-crime": entry["alert"], "restrict-rights-of-others": entry["alert"]}
    assert "is in another list too" in (await client.post(SUBJECT, {**asked, **twice})).text
    assert readings(made, "audit.subject-access") == []


async def test_a_senders_restriction_waits_for_a_decision(made: Stage) -> None:
    stated = planned_release("evt-2")["data"]
    source = {name: stated["mappa"][name] for name in ("assertion", "as_of", "source_system")}
    handling = {"sar_restrict": True, **source, "verified": True}
    await happens(
        made.own, "evt-2", kind="release.date_changed", data={**stated, "handling": handling}
    )
    client = await dpo(made)
    asked = {"person": canaries.NOMS, **LETTER}
    waits = await client.post(SUBJECT, asked)
    assert waits.status == 422
    assert 'href="#decided"' in waits.text
    assert "A sender has restricted" in waits.text
    assert "Exampleshire Police" not in answer_of(waits.text)
    decided = await client.post(SUBJECT, {**asked, "decided": "yes"})
    assert "Exampleshire Police" in answer_of(decided.text)


async def test_an_alert_in_hand_is_checked_by_its_entry_and_proof(made: Stage) -> None:
    index, entry = told(made)
    client = await dpo(made)
    body = made.row("SELECT body FROM log_entry WHERE idx = ?", index).decode()
    proof = (await client.get(f"/console/disclosures/{index}/proof")).text
    pasted = {"entry": f"\r\n{body} ", "proof": proof.replace("\n", "\r\n")}
    page = await client.post(GENUINE, pasted)
    assert page.status == 200
    assert len(page.body) < 100_000
    said = answer_of(page.text)
    assert "byte for byte" in said
    assert "is genuine: Exampleshire Police" in said
    assert "not to be trusted" not in said
    csv = await client.post(GENUINE, {**pasted, "export": "csv"})
    assert entry["alert"] in csv.text
    printed = await client.post(GENUINE, {"alert": reference(AlertId(entry["alert"]))})
    assert "is genuine: Exampleshire Police" in answer_of(printed.text)
    alone = await client.post(GENUINE, {"entry": body})
    assert "byte for byte" in answer_of(alone.text)
    (about, *_rest) = [one["about"] for one in readings(made, "audit.genuine")]
    assert list(about) == ["purpose"]


async def test_what_is_not_ours_or_not_whole_is_not_genuine(made: Stage) -> None:
    index, _ = told(made)
    client = await dpo(made)
    body = made.row("SELECT body FROM log_entry WHERE idx = ?", index).decode()
    proof = (await client.get(f"/console/disclosures/{index}/proof")).text
    altered = await client.post(
        GENUINE, {"entry": body.replace("webhook", "email"), "proof": proof}
    )
    assert "The entry you hold is not to be trusted" in altered.text
    broken = await client.post(
        GENUINE, {"entry": body, "proof": proof.replace("index 0", "index 1").replace("A", "B", 1)}
    )
    assert "the proof does not hold" in broken.text
    for rubbish in ("{}", "[" * 4000, canaries.NAME):
        page = await client.post(GENUINE, {"entry": rubbish})
        assert "it is no entry of a disclosure" in page.text, rubbish[:10]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "alert"),
        ({"proof": "c2sp.org/tlog-proof@v1"}, "entry"),
        ({"alert": "000-000-000-000", "entry": "{}"}, "alert"),
        ({"entry": "x" * 8_001}, "entry"),
        ({"entry": "{}", "proof": "x" * 16_001}, "proof"),
    ],
    ids=["nothing", "a proof of nothing", "both", "a long entry", "a long proof"],
)
async def test_a_form_that_asks_nothing_is_sent_back(
    made: Stage, fields: dict[str, str], field: str
) -> None:
    client = await dpo(made)
    wrong = await client.post(GENUINE, {**fields, "why": SECRET})
    assert wrong.status == 422
    assert f'href="#{field}"' in wrong.text
    assert "x" * 8_001 not in wrong.text
    assert readings(made, "audit.genuine") == []


async def test_a_key_that_does_not_open_hides_nothing_that_was_told(
    made: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    index, entry = told(made)
    await damage(made, entry["person"])
    async with another_worker(made, made_pages) as other:
        signed_in = await dpo(made)
        client = Client(stage=other, cookies=signed_in.cookies)
        person = {"person": entry["person"], **WHY}
        pages: list[tuple[str, dict[str, str]]] = [
            (f"/console/disclosures/{index}", WHY),
            ("/console/disclosures", person),
            ("/console/person", person),
            ("/console/evidence/told", {**person, "recipient": "police-ppu"}),
            ("/console/evidence/who-knows", person),
            ("/console/evidence/refused", person),
            ("/console/evidence/looked", person),
            ("/console/evidence/merge", person),
            (SUBJECT, person),
        ]
        for path, fields in pages:
            page = await client.post(path, fields)
            assert page.status == 200, path
        assert "police-ppu" in (await client.post(f"/console/disclosures/{index}", WHY)).text
        letter = await client.post(SUBJECT, {**person, "copy": "person"})
        assert "does not open" in letter.text
        letter = await client.post(SUBJECT, {**person, "copy": "person", "decided": "yes"})
        assert "Exampleshire Police" in answer_of(letter.text)
        coordinator = await made.signed_in("coordinator", agencies=(PRISON,))
        at_other = Client(stage=other, cookies=coordinator.cookies)
        assert (await at_other.post("/console/person", person)).status == 200
    assert made.row("SELECT count(*) FROM justification") == 0
    logged = [one for one in made.entries("consultation") if one.get("person") == entry["person"]]
    assert len(logged) == len(pages) + 4
    assert all(len(one["reason_mac"]) == 64 for one in logged)
    assert "justification not kept" in capsys.readouterr().out


def made_pages(own: Any) -> Any:
    from gateway.console.pages import every

    return every.routes(own)


async def damage(made: Stage, person: str) -> None:
    """Let a person's wrapped key be no key of theirs."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE person SET wrapped_key = zeroblob(length(wrapped_key)) WHERE ref = ?",
            (person,),
        )
        return Staged(None)

    await made.store.commit(unit)
