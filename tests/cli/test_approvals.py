"""`approvals`, `keys erase-person` and `policy adopt`: what takes two at the command line."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.adoption import law_in_force
from gateway.cli.approvals_commands import approvals
from gateway.cli.keys_commands import keys
from gateway.cli.policy_commands import policy
from gateway.config import Config, load_config
from gateway.instance import create, load_keys
from gateway.store import rulebooks, sqlite
from gateway.store.store import Store
from policies.problem import BadRulebook
from tests.store.stores import accepted, column, one_release

SHIPPED = Path(__file__).resolve().parents[2] / "policies"
REASON = ("--reason", "art-17-request")
PERSON = "SELECT ref FROM person WHERE length(wrapped_key) > 0"


@dataclass(frozen=True, slots=True)
class Instance:
    folder: Path

    @property
    def config(self) -> Config:
        return load_config(self.folder / "throughgate.toml")

    @property
    def database(self) -> Path:
        return self.config.path(self.config.instance.database)

    def run(self, group: typer.Typer, *words: str) -> Result:
        config = ["--config", str(self.folder / "throughgate.toml")]
        return CliRunner().invoke(group, [*words, *config])

    def read(self, group: typer.Typer, *words: str) -> Any:
        done = self.run(group, *words, "--json")
        assert done.exit_code == 0, done.output
        return orjson.loads(done.stdout)

    def entries(self, op: str) -> list[dict[str, Any]]:
        bodies = column(self.database, "SELECT body FROM log_entry ORDER BY idx")
        return [one for body in bodies if (one := orjson.loads(body))["op"] == op]

    def person(self) -> str:
        (found,) = column(self.database, PERSON)
        return str(found)


async def _prepare(folder: Path, sections: str) -> None:
    config = await create(folder, name="throughgate.example/approvals", sections=sections)
    secrets = load_keys(config)
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=secrets.key_encryption_key,
        log_key=secrets.log_key,
        on_fatal=lambda _code: os._exit(70),
    )
    try:
        await accepted(store, one_release(1))
    finally:
        await store.close()


def instance(folder: Path, sections: str = "") -> Instance:
    asyncio.run(_prepare(folder, sections))
    return Instance(folder)


@pytest.fixture
def made(tmp_path: Path) -> Instance:
    return instance(tmp_path / "home")


def test_one_proposes_to_erase_and_a_second_person_erases(made: Instance) -> None:
    person = made.person()
    said = made.run(keys, "erase-person", person, "--by", "dpo-01", *REASON)
    assert said.exit_code == 0, said.output
    (waiting,) = made.read(approvals, "list")
    assert f"approvals approve {waiting['id']} --by" in said.stdout
    assert made.entries("erasure") == []
    own = made.run(approvals, "approve", waiting["id"], "--by", "dpo-01")
    assert own.exit_code == 1
    assert "second person" in own.stderr
    assert made.person() == person
    done = made.run(approvals, "approve", waiting["id"], "--by", "dpo-02")
    assert done.exit_code == 0, done.output
    assert column(made.database, PERSON) == []
    (erased,) = made.entries("erasure")
    assert (erased["person"], erased["actor"]) == (person, "dpo-02")
    steps = [(one["state"], one["by"]) for one in made.entries("approval")]
    assert steps == [("proposed", "dpo-01"), ("approved", "dpo-02")]
    assert made.run(approvals, "list").stdout == "none\n"
    (every,) = made.read(approvals, "list", "--all")
    assert (every["state"], every["decided_by"]) == ("approved", "dpo-02")
    assert made.read(approvals, "approve", waiting["id"], "--by", "dpo-02")["verdict"] == "repeated"
    assert len(made.entries("erasure")) == 1


def test_what_was_declined_is_not_done(made: Instance) -> None:
    ref = made.person()
    proposed = made.read(keys, "erase-person", ref, "--by", "dpo-01", *REASON)
    declined = made.run(approvals, "decline", proposed["approval"], "--by", "dpo-02")
    assert declined.exit_code == 0
    late = made.run(approvals, "approve", proposed["approval"], "--by", "dpo-03")
    assert (late.exit_code, late.stdout) == (1, "")
    assert made.person() == ref
    assert made.run(approvals, "approve", "apr_none", "--by", "dpo-03").exit_code == 1
    assert made.run(approvals, "approve", proposed["approval"], "--by", "A Name").exit_code == 2


def own_rulebook(folder: Path) -> Path:
    """Return a copy of the shipped rulebook, changed by a remark."""
    folder.mkdir()
    for file in [*SHIPPED.glob("*.toml"), *SHIPPED.glob("*.cedarschema")]:
        shutil.copy(file, folder)
    shutil.copytree(SHIPPED / "rulebook", folder / "rulebook")
    file = next((folder / "rulebook").glob("*.cedar"))
    file.write_text(file.read_text("utf-8") + "\n// looked at anew\n", "utf-8")
    return folder


def in_force(made: Instance) -> tuple[str, str | None]:
    """Return the digest decided by, and the code of what the operator is told."""
    reader = sqlite.open_reader(made.database)
    try:
        found = law_in_force(made.config, reader)
    finally:
        reader.close()
    return found.law.rulebook.digest, found.trouble and found.trouble[0]


def test_a_configured_rulebook_waits_for_two_persons(tmp_path: Path) -> None:
    made = instance(tmp_path / "home", '[policy]\nadoption = "two-person"\n')
    before, trouble = in_force(made)
    assert trouble is None
    already = made.run(policy, "adopt", "--by", "dpo-01")
    assert already.exit_code == 1
    own_rulebook(tmp_path / "own")
    config = made.folder / "throughgate.toml"
    config.write_text(config.read_text() + 'rulebook = "../own"\n')
    assert in_force(made) == (before, "rulebook-not-adopted")
    proposed = made.read(policy, "adopt", "--by", "dpo-01")
    assert in_force(made) == (before, "rulebook-not-adopted"), "proposing changes nothing"
    done = made.run(approvals, "approve", proposed["approval"], "--by", "dpo-02")
    assert done.exit_code == 0, done.output
    after, trouble = in_force(made)
    assert (after != before, trouble) == (True, None)
    (noted,) = made.entries("rulebook")
    assert (noted["digest"], noted["actor"]) == (after, "dpo-02")
    reader = sqlite.open_reader(made.database)
    try:
        kept = rulebooks.listing(reader)
        assert [(one.digest, one.in_force, one.kept) for one in kept] == [
            (before, False, True),
            (after, True, True),
        ]
        texts = rulebooks.texts_of(reader, before)
        assert texts is not None
        assert not any("looked at anew" in text for text in texts.values())
        assert "vectors.toml" not in texts
    finally:
        reader.close()


def test_what_changed_since_it_was_proposed_is_not_adopted(tmp_path: Path) -> None:
    own = own_rulebook(tmp_path / "own")
    made = instance(tmp_path / "home", '[policy]\nadoption = "two-person"\n')
    config = made.folder / "throughgate.toml"
    config.write_text(config.read_text() + 'rulebook = "../own"\n')
    before, _ = in_force(made)
    proposed = made.read(policy, "adopt", "--by", "dpo-01")
    file = next((own / "rulebook").glob("*.cedar"))
    file.write_text(file.read_text("utf-8") + "// and again\n", "utf-8")
    done = made.run(approvals, "approve", proposed["approval"], "--by", "dpo-02")
    assert done.exit_code == 1
    assert in_force(made)[0] == before


@pytest.mark.parametrize("adoption", ["two-person", "configured"])
def test_a_broken_rulebook_leaves_the_one_before_in_force(tmp_path: Path, adoption: str) -> None:
    own = own_rulebook(tmp_path / "own")
    sections = f'[policy]\nadoption = "{adoption}"\nrulebook = "../own"\n'
    made = instance(tmp_path / "home", sections)
    before, _ = in_force(made)
    next((own / "rulebook").glob("*.cedar")).write_text("permit (", "utf-8")
    assert in_force(made) == (before, "rulebook-broken")
    shutil.rmtree(own)
    assert in_force(made) == (before, "rulebook-broken")


def test_without_two_persons_the_configured_rulebook_is_taken(tmp_path: Path) -> None:
    made = instance(tmp_path / "home")
    before, _ = in_force(made)
    own_rulebook(tmp_path / "own")
    config = made.folder / "throughgate.toml"
    config.write_text(config.read_text() + '[policy]\nrulebook = "../own"\n')
    after, trouble = in_force(made)
    assert (after != before, trouble) == (True, None)
    assert made.run(policy, "adopt", "--by", "dpo-01").exit_code == 1


def test_broken_and_none_kept_is_refused(tmp_path: Path) -> None:
    made = instance(tmp_path / "home")
    config = made.folder / "throughgate.toml"
    config.write_text(config.read_text() + '[policy]\nrulebook = "../none"\n')
    writer = sqlite.open_writer(made.database)
    writer.execute("DELETE FROM rulebook")
    writer.close()
    with pytest.raises(BadRulebook):
        in_force(made)
