"""The console in real Chromium: journeys by role, without JavaScript, by keyboard, zoomed."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page

from gateway.disclosure_log.checkpoint import Checkpoint
from gateway.model.reference import reference
from gateway.store import epoch
from gateway.store import staff as staff_store
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from tests import canaries
from tests.console.desk import PRISON, desk, dpo, told
from tests.console.stage import NAME, Client, Stage
from tests.console.test_pages_running import OPERATORS, fail
from tests.console.test_pages_tasks import another, ask
from tests.support.browser import Seen, barriers, chromium, overflows, passkey_device

Look = Callable[[str], Awaitable[None]]

WHY = "A subject access request"
TOKEN = "A" * 22
VIEW = {"width": 1000, "height": 900}


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance") as staged:
        yield staged


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures of journeys go; with THROUGHGATE_SCREENSHOTS=docs, into the docs."""
    return Path(os.environ.get("THROUGHGATE_SCREENSHOTS", str(tmp_path)))


def taken(folder: Path, *names: str) -> None:
    """Every picture is there."""
    for name in names:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / name).stat().st_size > 10_000


def kept_to_itself(made: Stage, seen: Seen) -> None:
    """No request left the gateway's own origin, and nothing was forbidden by the pages' policy."""
    assert seen.origins <= {made.public_url}
    assert [one for one in seen.complaints if "status of 422" not in one] == []


async def signed_in_by_passkey(made: Stage, page: Page, id_: str) -> None:
    link = staff_store.link_digest(made.store.sealed, TOKEN)
    await made.add_staff("dpo", id_=id_, agencies=(PRISON,), link=link)
    await passkey_device(page)
    await page.goto(f"{made.public_url}/console/enrol/{TOKEN}")
    await page.get_by_role("button", name="Register a passkey").click()
    await page.get_by_role("link", name="Sign in with it").click()
    await page.get_by_role("button", name="Use a passkey").click()
    await page.get_by_role("heading", name="Overview").wait_for()


async def test_a_dpo_signs_in_finds_reads_verifies_keeps_and_approves(
    made: Stage, pictures: Path
) -> None:
    _, entry = told(made)
    proposer = await dpo(made, "dpo-02")
    await proposer.post(
        "/console/approvals",
        {"kind": "erasure", "person": entry["person"], "reason": "court-order"},
    )
    async with chromium(viewport=VIEW) as (page, seen):
        await signed_in_by_passkey(made, page, "dpo-01")
        await page.screenshot(path=pictures / "console-overview.png")
        await page.get_by_role("link", name="Disclosures").click()
        await page.get_by_label("Person").fill(canaries.NOMS)
        await page.get_by_label("Why you need to look at this").fill(WHY)
        await page.get_by_role("button", name="Search").click()
        await page.get_by_text("1 disclosure found.").wait_for()
        assert canaries.NOMS not in page.url
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Keep as CSV").click()
        file = await (await downloading.value).path()
        assert entry["alert"] in Path(file).read_text()
        await page.get_by_role("button", name="read this disclosure").click()
        await page.get_by_role("heading", name="Proof that it was logged").wait_for()
        assert await page.get_by_text("Verified", exact=True).is_visible()
        await page.screenshot(path=pictures / "console-disclosure.png")
        await page.get_by_text("The text of rule").first.click()
        assert await page.get_by_text("@id(").first.is_visible()
        await page.get_by_role("link", name="Approvals").click()
        await page.get_by_role("link", name="Erase a person").click()
        await page.get_by_label("Yes. It is done at once").check()
        await page.get_by_role("button", name="Decide").click()
        await page.get_by_text("Approved, and carried out.").wait_for()
    assert [one["person"] for one in made.entries("erasure")] == [entry["person"]]
    taken(pictures, "console-overview.png", "console-disclosure.png")
    kept_to_itself(made, seen)


async def test_an_operator_sets_a_dead_letter_going_without_javascript(
    made: Stage, pictures: Path
) -> None:
    _, entry = told(made)
    await fail(made)
    operator = await made.signed_in("operator")
    async with chromium(java_script_enabled=False, viewport=VIEW) as (page, seen):
        await operator.lend_to(page)
        await page.goto(f"{made.public_url}/console")
        await page.get_by_role("link", name="Deliveries").click()
        await page.get_by_role("link", name=reference(entry["alert"])).wait_for()
        await page.screenshot(path=pictures / "console-deliveries.png")
        await page.get_by_role("link", name=reference(entry["alert"])).click()
        await page.get_by_role("button", name="Try again").click()
        await page.get_by_text("Nothing of it has failed finally.").wait_for()
    assert made.row("SELECT state FROM outbox WHERE alert = ?", entry["alert"]) == "pending"
    taken(pictures, "console-deliveries.png")
    kept_to_itself(made, seen)


async def test_a_person_is_found_by_keyboard_alone(made: Stage) -> None:
    client = await dpo(made)
    async with chromium() as (page, seen):
        await client.lend_to(page)
        await page.goto(f"{made.public_url}/console/person")
        keys = page.keyboard
        await keys.press("Tab")
        assert await focused(page) == "Skip to main content"
        await keys.press("Enter")
        await keys.press("Tab")
        await keys.type("Z0000ZZ")
        await keys.press("Enter")
        await page.get_by_role("heading", name="There is a problem").wait_for()
        assert await page.evaluate("document.activeElement.className") == "govuk-error-summary"
        await keys.press("Tab")
        assert await focused(page) == "Say why you need to look at this"
        await keys.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "why"
        await keys.type(WHY)
        await keys.press("Shift+Tab")
        await keys.type(canaries.NOMS)
        await keys.press("Enter")
        await page.get_by_role("heading", name="Person timeline").wait_for()
        assert canaries.NOMS not in await page.content()
    kept_to_itself(made, seen)


async def focused(page: Page) -> str:
    return str(await page.evaluate("document.activeElement.textContent.trim()"))


async def test_no_page_has_a_barrier_or_needs_scrolling_sideways(made: Stage) -> None:
    index, entry = told(made)
    await fail(made)
    other = await another(made)
    task = await ask(made, body={"others": [other]})
    found: dict[str, list[str]] = {}
    auditors = (
        "/console", "/console/disclosures", f"/console/disclosures/{index}", "/console/person",
        "/console/recipients", "/console/recipients/one?id=police-ppu", "/console/rulebook",
        "/console/rulebook/rule?id=housing-release", "/console/rulebook/versions",
        "/console/approvals", "/console/statistics", "/console/log", "/console/auditors",
        "/console/evidence", "/console/evidence/breach", "/console/evidence/ropa",
        "/console/evidence/subject-access", "/console/evidence/genuine",
    )  # fmt: skip
    visits = (
        (await dpo(made), auditors),
        (await made.signed_in("coordinator", agencies=(PRISON,)), (
            "/console/duties", "/console/tasks", f"/console/tasks/{task}",
        )),
        (
            await made.signed_in("operator"),
            (*OPERATORS[3:6], f"/console/deliveries/{entry['alert']}"),
        ),
    )  # fmt: skip
    async with chromium() as (page, seen):

        async def look(state: str) -> None:
            found[state] = await barriers(page) + await overflows(page)

        for client, paths in visits:
            await enter(page, client)
            for path in paths:
                await page.goto(made.public_url + path)
                await look(path)
            if paths is auditors:
                await results(page, made, look_at=look)
            if f"/console/tasks/{task}" in paths:
                await page.get_by_label("Why you need to look at this").fill(WHY)
                await page.get_by_role("button", name="Continue").click()
                await page.get_by_role("heading", name="Possible match").wait_for()
                await look("task")
                await page.get_by_role("button", name="Decide").click()
                await page.get_by_role("heading", name="There is a problem").wait_for()
                await look("task, wrong")
        await fall_behind(made)
        await enter(page, visits[0][0])
        for path in ("/console/log", "/console/approvals"):
            await page.goto(made.public_url + path)
            await look(f"{path}, behind")
    assert {state: one for state, one in found.items() if one} == {}
    assert len(found) == len(auditors) + 3 + 4 + 2 + 7 + 2
    kept_to_itself(made, seen)


async def fall_behind(made: Stage) -> None:
    """Let more have been published of the log than it has."""
    known = Checkpoint(origin=NAME, size=1_000_000, root=bytes(32))

    def unit(connection: Connection) -> Staged[None]:
        epoch.mark_behind(connection, known)
        return Staged(None, while_behind=True)

    await made.store.commit(unit)


async def enter(page: Page, client: Client) -> None:
    await page.context.clear_cookies()
    await client.lend_to(page)


async def results(page: Page, made: Stage, *, look_at: Look) -> None:
    """Look at what forms of a DPO's answer."""
    await page.goto(f"{made.public_url}/console/disclosures")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("heading", name="There is a problem").wait_for()
    await look_at("search, wrong")
    await page.get_by_label("Why you need to look at this").fill(WHY)
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("heading", name="Results").wait_for()
    await look_at("search")
    await page.get_by_role("button", name="read this disclosure").first.click()
    await page.get_by_role("heading", name="Proof that it was logged").wait_for()
    await look_at("disclosure")
    await page.get_by_role("button", name="See this person").click()
    await page.get_by_role("heading", name="Person timeline").wait_for()
    await look_at("timeline")
    await page.goto(f"{made.public_url}/console/auditors")
    await page.get_by_label("What").select_option("looked")
    await page.get_by_label("Whose").select_option("dpo-01")
    await page.get_by_role("button", name="Look up").click()
    await page.locator("#results").wait_for()
    await look_at("auditors")
    await page.goto(f"{made.public_url}/console/evidence/who-knows")
    await page.get_by_label("Person").fill(canaries.NOMS)
    await page.get_by_label("Why you need to look at this").fill(WHY)
    await page.get_by_role("button", name="Answer").click()
    await page.get_by_role("heading", name="The answer").wait_for()
    await look_at("answer")
    await page.goto(f"{made.public_url}/console/rulebook?kind=custody.died")
    for _ in range(100):
        if not await page.get_by_text("is being worked out").is_visible():
            break
        await page.get_by_role("link", name="Look again").click()
    await page.get_by_text("more in some cases than in others").wait_for()
    await look_at("matrix")
