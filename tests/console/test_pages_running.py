"""The pages of whoever keeps the gateway running: numbers, deliveries and keys; never a person."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.model.reference import reference
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from tests import canaries
from tests.console.desk import PRISON, desk, dpo, told
from tests.console.stage import Client, Stage

OPERATORS = (
    "/console",
    "/console/duties",
    "/console/duties?show=late",
    "/console/deliveries",
    "/console/deliveries?state=pending",
    "/console/deliveries?state=newest",
    "/console/recipients",
    "/console/recipients/one?id=police-ppu",
    "/console/log",
)
NOT_OPERATORS = (
    "/console/disclosures",
    "/console/person",
    "/console/tasks",
    "/console/rulebook",
    "/console/approvals",
    "/console/statistics",
    "/console/auditors",
    "/console/evidence",
)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance") as staged:
        yield staged


async def test_an_operator_sees_no_person_anywhere(made: Stage) -> None:
    _, entry = told(made)
    await fail(made)
    operator = await made.signed_in("operator")
    for path in (*OPERATORS, f"/console/deliveries/{entry['alert']}"):
        page = await operator.get(path)
        assert page.status == 200, path
        assert len(page.body) < 100_000, path
        assert canaries.found_in(page.text) == [], path
        assert entry["person"] not in page.text, path
        assert entry["event"] not in page.text, path
    assert "per_" not in "".join([(await operator.get(one)).text for one in OPERATORS])


async def test_what_is_not_a_role_s_page_does_not_exist(made: Stage) -> None:
    index, entry = told(made)
    operator = await made.signed_in("operator")
    missing = await operator.get("/console/no-such-page")
    for path in (*NOT_OPERATORS, f"/console/disclosures/{index}"):
        answer = await operator.get(path)
        assert (answer.status, answer.text) == (404, missing.text), path
        assert f'href="{path}"' not in (await operator.get("/console")).text
    coordinator = await made.signed_in("coordinator", agencies=(PRISON,))
    auditor = await dpo(made)
    for client, paths in (
        (coordinator, ("/console/deliveries", "/console/disclosures", "/console/recipients")),
        (auditor, ("/console/deliveries", "/console/tasks", "/console/duties")),
    ):
        for path in paths:
            assert (await client.get(path)).status == 404, path
    nobody = await made.client().get("/console/deliveries")
    assert nobody.to.startswith("/console/sign-in")
    refused = await auditor.post(f"/console/deliveries/{entry['alert']}")
    assert refused.status == 404


async def test_the_overview_counts_without_reading_the_log(made: Stage) -> None:
    client = await made.signed_in("operator")
    before = made.row("SELECT size FROM log_head")
    page = await client.get("/console")
    assert made.row("SELECT size FROM log_head") == before
    assert "About to leave" in page.text
    assert "Oldest without an answer" in page.text
    assert "<svg" in page.text
    assert 'role="img"' in page.text
    assert f">{before}</dd>" in page.text.replace(" entries", "").replace("tg-ref", "")
    assert "housing/email" in page.text or "No key in use ends" in page.text


async def test_a_dead_letter_is_seen_and_set_going(made: Stage) -> None:
    _, entry = told(made)
    await fail(made)
    operator = await made.signed_in("operator")
    letters = await operator.get("/console/deliveries")
    assert f'href="/console/deliveries/{entry["alert"]}"' in letters.text
    assert "gone" in letters.text
    path = f"/console/deliveries/{entry['alert']}"
    assert reference(entry["alert"]) in (await operator.get(path)).text
    again = await operator.post(path)
    assert again.to == path
    assert made.row("SELECT state FROM outbox WHERE alert = ?", entry["alert"]) == "pending"
    (tried,) = [one for one in made.entries("attempt") if one["outcome"] == "retried"]
    assert tried["by"] == "operator-01"
    twice = await operator.post(path)
    assert twice.status == 422
    assert "Nothing of it has failed" in twice.text


async def test_everything_that_failed_lately_is_set_going(made: Stage) -> None:
    await fail(made)
    operator = await made.signed_in("operator")
    wrong = await operator.post("/console/deliveries", {"period": "9999"})
    assert wrong.status == 422
    assert 'href="#period"' in wrong.text
    done = await operator.post("/console/deliveries", {"period": "24"})
    assert done.to == "/console/deliveries?set-going=1"
    assert "1 delivery goes again." in (await operator.get(done.to)).text
    assert (await operator.get("/console/deliveries/alt_" + "0" * 32)).status == 404


async def test_recipients_show_keys_and_only_operators_addresses(made: Stage) -> None:
    operator = await made.signed_in("operator")
    auditor = await dpo(made)
    listing = await operator.get("/console/recipients")
    assert "police-ppu" in listing.text
    for client, shown in ((operator, True), (auditor, False)):
        page = await client.get("/console/recipients/one?id=police-ppu")
        assert "In use" in page.text
        assert ("198.51.100.7" in page.text) is shown
    assert (await operator.get("/console/recipients/one?id=nobody")).status == 404


async def test_a_stretch_of_the_log_is_verified_now(made: Stage) -> None:
    operator = await made.signed_in("operator")
    page = await operator.get("/console/log")
    assert (
        str(made.own.verifiers[0]).replace("+", "&#43;") in page.text
        or str(made.own.verifiers[0]) in page.text
    )
    size = made.row("SELECT size FROM log_head")
    found = await operator.post("/console/log", {"first": "0", "last": str(size - 1)})
    assert "Verified" in found.text
    logged = made.entries("consultation")[-1]
    assert (logged["what"], logged["start"], logged["end"]) == ("log", 0, size)
    for fields in ({"first": "0", "last": "999999"}, {"first": "x", "last": "1"}):
        assert (await operator.post("/console/log", fields)).status == 422


async def fail(made: Stage) -> None:
    """Let the police's webhook have been given up."""
    at = int(made.now().timestamp() * 1000)

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(
            "UPDATE outbox SET state = 'dead', attempts = 9, reason = 'gone', settled_at = ?"
            " WHERE channel = 'webhook'",
            (at,),
        )
        return Staged(None)

    await made.store.commit(unit)


async def test_lists_go_on_by_key(made: Stage) -> None:
    _, entry = told(made)
    await copies(made, entry["alert"], 120)
    operator = await made.signed_in("operator")
    for state in ("failed-finally", "newest"):
        seen = await every_page(operator, f"/console/deliveries?state={state}")
        assert len(seen) == len(set(seen)) == 121 - (state == "failed-finally")


async def copies(made: Stage, alert: str, count: int) -> None:
    """Have as many dead letters more."""

    def unit(connection: Connection) -> Staged[None]:
        columns = [
            name
            for _, name, *_rest in connection.execute("PRAGMA table_info(outbox)").fetchall()
            if name not in {"alert", "state", "settled_at"}
        ]
        listed = ", ".join(str(one) for one in columns)
        ids = json.dumps([f"alt_{number:032x}" for number in range(count)])
        connection.execute(
            f"INSERT INTO outbox (alert, state, settled_at, {listed})"
            f" SELECT value, 'dead', 1700000000000, {listed} FROM outbox, json_each(?)"
            " WHERE alert = ?",
            (ids, alert),
        )
        return Staged(None)

    await made.store.commit(unit)


async def every_page(client: Client, path: str) -> list[str]:
    seen: list[str] = []
    first = path
    for _ in range(10):
        page = await client.get(path)
        assert page.status == 200
        assert len(page.body) < 100_000
        parts = page.text.split('href="/console/deliveries/alt_')[1:]
        seen += [part.partition('"')[0] for part in parts]
        after = page.text.partition("&amp;after=")[2].partition('"')[0]
        if not after:
            return seen
        path = f"{first}&after={after}"
    raise AssertionError("the pages never end")
