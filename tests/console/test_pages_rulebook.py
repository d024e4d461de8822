"""Another rulebook in the console: compared, tried on what came lately, and adopted by two."""

from pathlib import Path

from gateway.instance import rulebook_texts
from gateway.store import rulebooks
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from policies.rulebook import load_rulebook
from tests.console.desk import PRISON, desk, dpo
from tests.console.stage import Stage

HOUSING = "rulebook/accommodation.cedar"


def without_the_police() -> dict[str, str]:
    """Return the shipped rulebook with one rule less and another changed."""
    texts = rulebook_texts(None)
    (name,) = [one for one, text in texts.items() if '@id("police-release")' in text]
    before, mark, after = texts[name].partition('@id("police-release")')
    rest = after[after.index("\n@id(") :]
    changed = texts[HOUSING].replace('@for("information")', '@for("action")', 1)
    assert mark
    return {**texts, name: before + rest, HOUSING: changed}


async def keep(made: Stage, texts: dict[str, str]) -> str:
    digest = load_rulebook(texts).digest

    def unit(connection: Connection) -> Staged[None]:
        rulebooks.keep(connection, digest, texts, made.now())
        return Staged(None)

    await made.store.commit(unit)
    return digest


async def test_a_changed_rule_is_shown_and_whose_alert_it_changes(tmp_path: Path) -> None:
    async with desk(tmp_path / "instance") as made:
        other = await keep(made, without_the_police())
        client = await made.signed_in("coordinator", agencies=(PRISON,))
        path = "/console/rulebook/versions"
        now = made.own.law.rulebook.digest
        differs = await client.post(path, {"do": "diff", "old": now, "new": other})
        assert "Rule police-release: removed" in differs.text
        assert "Rule housing-referral: changed" in differs.text
        assert "for action" in differs.text
        assert len(differs.body) < 100_000
        tried = await client.post(path, {"do": "replay", "new": other, "period": "7"})
        assert "no longer told" in tried.text or "told otherwise" in tried.text
        assert "police offender manager" in tried.text


async def test_a_rulebook_is_adopted_by_two(tmp_path: Path) -> None:
    folder = tmp_path / "law"
    write(folder, rulebook_texts(None))
    sections = f'[policy]\nadoption = "two-person"\nrulebook = "{folder}"\n'
    async with desk(tmp_path / "instance", sections=sections) as made:
        first, second = await dpo(made), await dpo(made, "dpo-02")
        same = await first.post("/console/approvals", {"kind": "rulebook"})
        assert "is the one in force" in same.text
        write(folder, without_the_police())
        proposed = await first.post("/console/approvals", {"kind": "rulebook"})
        assert proposed.status == 303
        (id_,) = made.store.reader.execute("SELECT id FROM approval").fetchone()  # type: ignore[misc]
        done = await second.post(f"/console/approvals/{id_}", {"decision": "approved"})
        assert done.to == "/console/approvals?done=approved"
        digest = load_rulebook(without_the_police()).digest
        assert rulebooks.in_force(made.store.reader) == digest
        history = await second.get("/console/rulebook/versions")
        assert digest in history.text
        write(folder, {HOUSING: "nonsense"})
        broken = await first.post("/console/approvals", {"kind": "rulebook"})
        assert "does not hold together" in broken.text


def write(folder: Path, texts: dict[str, str]) -> None:
    (folder / "rulebook").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
