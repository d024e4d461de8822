"""One disclosure as it went on: put right, taken back, witnessed; and kept as files that hold."""

import io
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pypdf
import pytest

from gateway.audit.check_pack import check_pack
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.cosignature import CosigningKey
from gateway.disclosure_log.note import parse_note
from gateway.model.ids import AlertId
from gateway.model.reference import reference
from gateway.store import witnessed
from tests import canaries
from tests.console.desk import WHY, desk, dpo, happens, told
from tests.console.stage import Stage
from tests.gateway_in_process import planned_release

WITNESS = CosigningKey.generate("witness.example/desk", "ml-dsa-44")
STRANGER = CosigningKey.generate("witness.example/other", "ed25519")
WITNESSED = '[witness]\npolicy = "witnesses.policy"\n'


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance", sections=WITNESSED) as staged:
        policy = f"witness desk {WITNESS.public_key}\nquorum desk\n"
        (staged.folder / "witnesses.policy").write_text(policy)
        yield staged


def revising(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of a correction: without a time, each is as old as what it corrects."""
    return {
        name: {member: value for member, value in group.items() if member != "as_of"}
        for name, group in data.items()
    }


def disclosures(made: Stage) -> dict[str, dict[str, Any]]:
    """Return the newest disclosure of each message."""
    return {one["message"]: one for one in made.entries("disclosure")}


async def test_a_story_tells_of_the_correction_and_of_the_recall(made: Stage) -> None:
    index, first = told(made)
    stated = planned_release()["data"]
    custody = {**stated["custody"], "planned_date": "2027-02-01"}
    data = revising({"identifiers": stated["identifiers"], "custody": custody})
    await happens(made.own, "evt-2", kind="event.corrected", corrects="evt-1", data=data)
    retracted = {"identifiers": revising(stated)["identifiers"]}
    await happens(made.own, "evt-3", kind="event.retracted", corrects="evt-1", data=retracted)
    sent = disclosures(made)
    assert list(sent) == ["NOTIFY", "CORRECTION", "RECALL"]
    client = await dpo(made)
    page = await client.post(f"/console/disclosures/{index}", WHY)
    story = section(page.text, "story")
    about = reference(AlertId(first["alert"]))
    assert f"Correction about alert {about} to police-ppu" in story
    taken_back = sent["RECALL"]["supersedes"]
    assert f"Recall about alert {reference(AlertId(taken_back))} to police-ppu" in story
    assert canaries.found_in(page.text) == []


def section(text: str, id_: str) -> str:
    """Return what stands between a heading and the next."""
    return text.partition(f'id="{id_}"')[2].partition("<h2")[0]


async def test_a_proof_is_against_what_a_witness_signed(made: Stage) -> None:
    index, _ = told(made)
    client = await dpo(made)
    before = section((await client.post(f"/console/disclosures/{index}", WHY)).text, "proof")
    assert "Not yet" in before
    assert WITNESS.name not in before
    note = made.store.latest_checkpoint() or ""
    at, text = int(made.now().timestamp()), parse_note(note).text
    cosigned = note + WITNESS.cosign(text, at=at) + STRANGER.cosign(text, at=at)
    await made.store.commit(witnessed.put(cosigned, made.now()))
    await happens(made.own, "evt-2", kind="release.date_changed")
    shown = section((await client.post(f"/console/disclosures/{index}", WHY)).text, "proof")
    signed = re.sub(r"<[^>]*>", "|", shown)
    assert "Yes: enough witnesses signed this checkpoint" in shown
    assert re.search(rf"\|{WITNESS.name}\|+A witness\|+Holds\|", signed)
    assert re.search(rf"\|{STRANGER.name}\|+A witness\|+Its key is not known here\|", signed)
    size = parse_checkpoint(note).size
    assert f"{size} entries" in shown.replace(",", "")
    kept = await client.get(f"/console/disclosures/{index}/proof")
    assert f"— {WITNESS.name} " in kept.text
    log = (await client.get("/console/log")).text
    assert f"{size} entries" in log.partition("How far each witness")[2].replace(",", "")


async def test_a_cosignature_that_does_not_hold_is_said_not_to(made: Stage) -> None:
    index, _ = told(made)
    note = made.store.latest_checkpoint() or ""
    other = parse_note(note).text.replace("test", "tset").replace("console", "elosnoc")
    line = WITNESS.cosign(other, at=int(made.now().timestamp()))
    await made.store.commit(witnessed.put(note + line, made.now()))
    client = await dpo(made)
    page = await client.post(f"/console/disclosures/{index}", WHY)
    signed = re.sub(r"<[^>]*>", "|", section(page.text, "proof"))
    assert re.search(rf"\|{WITNESS.name}\|+A witness\|+Does not hold\|", signed)


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/console/disclosures", {}), ("/console/evidence/told", {"recipient": "police-ppu"})],
    ids=["disclosures", "a question"],
)
async def test_files_can_be_read_back_and_their_proofs_hold(
    made: Stage, path: str, fields: dict[str, str]
) -> None:
    index, entry = told(made)
    client = await dpo(made)
    asked = {"person": entry["person"], **fields, **WHY}
    packed = await client.post(path, {**asked, "export": "zip"})
    assert packed.headers["content-type"] == "application/zip"
    checked = check_pack(packed.body, made.own.verifiers)
    assert index in checked.holding
    assert checked.failing == ()
    kept = await client.post(path, {**asked, "export": "pdf"})
    assert kept.headers["content-type"] == "application/pdf"
    assert kept.headers["content-disposition"].startswith("attachment;")
    text = "\n".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(kept.body)).pages)
    flat = re.sub(r"\s", "", text)
    assert entry["alert"] in flat or reference(AlertId(entry["alert"])) in flat
    assert "police-ppu" in flat or "ExampleshirePolice" in flat
    assert canaries.found_in(text) == []
