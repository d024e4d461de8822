"""Signing in to the console in real Chromium, with a passkey and without JavaScript."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.console.session import COOKIE
from gateway.store import staff as staff_store
from tests.console.pages import Pages
from tests.console.stage import Stage, stage
from tests.support.browser import barriers, chromium, overflows, passkey_device

TOKEN = "A" * 22


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "instance", Pages().routes) as made:
        yield made


def digest(staged: Stage, token: str = TOKEN) -> bytes:
    return staff_store.link_digest(staged.store.sealed, token)


async def test_in_a_browser_a_dpo_enrols_signs_in_and_out(staged: Stage) -> None:
    await staged.add_staff("dpo", agencies=["hmp-exampleton"], link=digest(staged))
    found: dict[str, list[str]] = {}
    async with chromium() as (page, seen):

        async def look(state: str) -> None:
            found[state] = await barriers(page) + await overflows(page)

        await passkey_device(page)
        await page.goto(f"{staged.public_url}/console/enrol/{TOKEN}")
        await look("enrolment")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("heading", name="Your passkey is registered").wait_for()
        await look("enrolled")
        await page.goto(f"{staged.public_url}/console/things")
        await page.get_by_role("heading", name="Sign in").wait_for()
        await look("sign-in")
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_role("heading", name="Things").wait_for()
        assert page.url == f"{staged.public_url}/console/things"
        cookies = {one["name"]: one for one in await page.context.cookies()}
        assert set(cookies) == {COOKIE}
        assert cookies[COOKIE]["httpOnly"]
        assert cookies[COOKIE]["sameSite"] == "Strict"
        assert await page.evaluate("document.cookie") == ""
        await look("a page")
        await page.goto(f"{staged.public_url}/console/nothing")
        await look("not found")
        await page.goto(f"{staged.public_url}/console/things")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="You are signed out").wait_for()
        await look("signed out")
        assert await page.context.cookies() == []
        await page.goto(f"{staged.public_url}/console/enrol/{TOKEN}")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("heading", name="There is a problem").wait_for()
        await look("not enrolled")
    assert {state: one for state, one in found.items() if one} == {}
    assert len(found) == 7
    assert seen.origins == {staged.public_url}
    assert seen.complaints == []


async def test_in_a_browser_an_operator_proves_anew_and_never_sees_a_dpos_page(
    staged: Stage,
) -> None:
    await staged.add_staff("operator", link=digest(staged))
    async with chromium() as (page, seen):
        await passkey_device(page)
        await page.goto(f"{staged.public_url}/console/enrol/{TOKEN}")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("link", name="Sign in with it").click()
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_role("heading", name="Console").wait_for()
        await page.get_by_role("link", name="Machine").click()
        await page.get_by_role("heading", name="Things").wait_for()
        await page.goto(f"{staged.public_url}/console/grave")
        await page.get_by_role("heading", name="Page not found").wait_for()
        staged.now.pass_by(minutes=6)
        await page.goto(f"{staged.public_url}/console/sign-in?again=/console/machine")
        await page.get_by_role("heading", name="Prove that it is you").wait_for()
        assert await barriers(page) == []
        await page.get_by_role("button", name="Use a passkey").click()
        await page.get_by_role("heading", name="Things").wait_for()
    assert seen.complaints == []


async def test_without_javascript_pages_work_and_the_door_says_what_does_not(
    staged: Stage,
) -> None:
    dpo = await staged.signed_in("dpo")
    async with chromium(java_script_enabled=False) as (page, _):
        await page.goto(f"{staged.public_url}/console/sign-in")
        await page.get_by_text("A passkey needs JavaScript").wait_for()
        assert not await page.get_by_role("button", name="Use a passkey").is_visible()
        await dpo.lend_to(page)
        await page.goto(f"{staged.public_url}/console")
        await page.get_by_role("link", name="Things").click()
        await page.get_by_role("heading", name="Things").wait_for()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="You are signed out").wait_for()
