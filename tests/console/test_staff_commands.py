"""`throughgate staff`: who may sign in, from the command line."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import clock
from gateway.cli.beside import opened
from gateway.cli.staff_commands import staff
from gateway.config import load_config
from gateway.instance import CONFIG_NAME, create, sealed_store
from gateway.model.ids import AgencyName
from gateway.model.party import Agency
from gateway.registration import register_agency, register_recipients
from gateway.store import staff as staff_store
from tests.gateway_in_process import URN, police
from tests.support.command_line import Done

OIDC = '[console.oidc]\nissuer = "https://id.example"\nclient_id = "throughgate"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(_made(tmp_path / "instance"))
    return tmp_path / "instance"


async def _made(folder: Path) -> None:
    config = await create(folder, name="throughgate.example/staff", sections=OIDC)
    prison = Agency(
        name=AgencyName("hmp-exampleton"), urn=URN, organisation_class="prison", public_keys=()
    )
    await register_agency(config, prison)
    await register_recipients(config, [police()[0]])


def run(folder: Path, *words: str) -> Done:
    done = CliRunner().invoke(staff, [*words, "--config", str(folder / CONFIG_NAME)])
    return Done(code=done.exit_code, out=done.stdout, err=done.stderr)


DPO = ("add", "dpo-01", "--role", "dpo", "--agency", "hmp-exampleton", "--by", "admin-01")


def test_an_account_begins_with_a_link_that_is_kept_nowhere(folder: Path) -> None:
    added = run(folder, *DPO, "--organisation", "Exampleshire Police", "--role", "coordinator")
    assert added.code == 0, added.err
    token = added.out.strip().removeprefix("https://localhost/console/enrol/")
    assert len(token) == 22
    config = load_config(folder / CONFIG_NAME)
    with opened(config) as connection:
        (account,) = staff_store.listed(connection, clock.now())
        (later,) = staff_store.listed(connection, clock.now() + dt.timedelta(hours=25))
        digest = connection.execute("SELECT credential FROM staff_passkey").get
    assert digest == staff_store.link_digest(sealed_store(config), token)
    assert (account.offered, later.offered, account.passkeys) == (True, False, 0)
    assert account.staff.roles == {"dpo", "coordinator"}
    assert account.staff.organisations == {"Exampleshire Police"}


def test_accounts_are_listed_renewed_and_revoked(folder: Path) -> None:
    assert "nobody may sign in" in run(folder, "list").out
    first = run(folder, *DPO).out
    second = run(folder, "new-link", "dpo-01", "--by", "admin-01", "--lost").out
    assert first != second
    (listed,) = json.loads(run(folder, "list", "--json").out)
    assert listed["roles"] == ["dpo"]
    assert listed["agencies"] == ["hmp-exampleton"]
    assert listed["offered"] is True
    assert "link offered" in run(folder, "list").out
    assert run(folder, "revoke", "dpo-01", "--by", "admin-01").code == 0
    assert "revoked" in run(folder, "list").out
    assert run(folder, "revoke", "dpo-01", "--by", "admin-01").code == 1
    assert run(folder, "new-link", "dpo-01", "--by", "admin-01").code == 1
    assert run(folder, *DPO).code == 1


def test_who_signs_in_with_a_provider_needs_no_link(folder: Path) -> None:
    done = run(folder, *DPO, "--subject", "subject-01")
    assert done.out == "dpo-01: signs in with the provider, at https://localhost/console\n"
    assert json.loads(run(folder, "list", "--json").out)[0]["provider"] is True
    other = ("add", "dpo-02", "--role", "dpo", "--agency", "hmp-exampleton", "--by", "a")
    assert run(folder, *other, "--subject", "subject-01").code == 1


MISTAKES = [
    (("--role", "king"), 2, "--role"),
    (("--role", "operator", "--role", "dpo"), 2, "an operator sees no person"),
    (("--role", "operator", "--agency", "hmp-exampleton"), 2, "an operator sees no person"),
    (("--role", "dpo"), 2, "say whom they act for"),
    (("--role", "dpo", "--agency", "hmp-nowhere"), 1, "not registered"),
    (("--role", "dpo", "--organisation", "Nowhere Police"), 1, "no recipient"),
]


def test_an_account_that_would_be_a_mistake_is_refused(folder: Path) -> None:
    for words, code, said in MISTAKES:
        done = run(folder, "add", "dpo-01", *words, "--by", "admin-01")
        assert (done.code, said in done.err) == (code, True), done
    for id_ in ("A Name", "dpo@mail.example", "", "x" * 41):
        assert run(folder, "add", id_, "--role", "operator", "--by", "admin-01").code == 2
    assert json.loads(run(folder, "list", "--json").out) == []
