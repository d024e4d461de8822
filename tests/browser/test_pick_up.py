"""A recipient's pages in real Chromium: with a passkey, without JavaScript, by keyboard, zoomed."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import playwright.async_api
import pytest
from playwright.async_api import Page

from gateway.model.disclosure import Message
from tests import canaries
from tests.http.pick_up_stage import Stage, stage, variant
from tests.support.browser import Seen, barriers, chromium, overflows, passkey_device

VARIANTS: tuple[Message, ...] = ("UPDATE", "CORRECTION", "RECALL", "CHASE", "TEST")


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        await made.enrol()
        yield made


def kept_to_itself(staged: Stage, seen: Seen) -> None:
    """No request left the gateway's own origin, and nothing was forbidden by the pages' policy."""
    assert seen.origins == {staged.public_url}
    assert seen.complaints == []


async def by_code(page: Page, staged: Stage, path: str) -> None:
    await page.goto(staged.public_url + path)
    await page.get_by_label("Code from your authenticator app").fill(staged.code())
    await page.get_by_role("button", name="Read the message").click()


async def test_a_passkey_is_enrolled_and_reads_and_answers(staged: Stage) -> None:
    alert = await staged.alert()
    async with chromium() as (page, seen):
        await passkey_device(page)
        await page.goto(f"{staged.public_url}/enrol/{await staged.offer()}")
        await page.get_by_label("What to call it").fill("Exampleshire PPU")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("heading", name="Your passkey is registered").wait_for()

        await page.goto(staged.public_url + staged.path(alert))
        await page.get_by_role("button", name="Read it with a passkey").click()
        await page.get_by_role("heading", name="What you are told").wait_for()
        assert canaries.NAME in await page.content()
        assert await page.context.cookies() == []
        stored = await page.evaluate("[localStorage.length, sessionStorage.length, history.state]")
        assert stored == [0, 0, None]

        await page.get_by_label("I accept it").check()
        await page.get_by_role("button", name="Send the answer").click()
        await page.get_by_role("heading", name="Your answer was recorded").wait_for()
    (read,) = staged.entries("consultation")
    assert (read["alert"], read["means"]) == (alert, "passkey")
    (answered,) = staged.entries("acknowledgement")
    assert (answered["answer"], answered["means"]) == ("accepted", "page")
    kept_to_itself(staged, seen)


async def test_a_device_without_the_passkey_says_so_and_nothing_is_used(staged: Stage) -> None:
    alert = await staged.alert()
    before = staged.dump()
    async with chromium() as (page, seen):
        await passkey_device(page)
        await page.goto(staged.public_url + staged.path(alert))
        await page.get_by_role("button", name="Read it with a passkey").click()
        await page.get_by_text("No passkey was used").wait_for()
    assert staged.dump() == before
    kept_to_itself(staged, seen)


async def test_a_code_reads_and_answers_without_javascript(staged: Stage) -> None:
    alert = await staged.alert()
    async with chromium(java_script_enabled=False) as (page, seen):
        await by_code(page, staged, staged.path(alert))
        await page.get_by_role("heading", name="What you are told").wait_for()
        assert not await page.get_by_role("button", name="passkey").is_visible()
        await page.get_by_label("I reject it").check()
        await page.get_by_label("Why, if you reject it").select_option("not-ours")
        await page.get_by_role("button", name="Send the answer").click()
        await page.get_by_role("heading", name="Your answer was recorded").wait_for()
    (answered,) = staged.entries("acknowledgement")
    assert (answered["answer"], answered["reason"]) == ("rejected", "not-ours")
    kept_to_itself(staged, seen)


async def test_everything_is_done_by_keyboard_alone(staged: Stage) -> None:
    alert = await staged.alert()
    async with chromium() as (page, seen):
        keys = page.keyboard
        await page.goto(staged.public_url + staged.path(alert))
        await keys.press("Tab")
        assert await focused(page) == "Skip to main content"
        await keys.press("Enter")
        await keys.press("Tab")
        await keys.type("000000")
        await keys.press("Enter")
        await page.get_by_role("heading", name="There is a problem").wait_for()
        assert await page.evaluate("document.activeElement.id") == "wrong"
        await keys.press("Tab")
        await keys.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "code"
        await keys.type(staged.code())
        await keys.press("Tab")
        assert await focused(page) == "Read the message"
        await keys.press("Enter")
        await page.get_by_role("heading", name="What you are told").wait_for()
        for _ in range(30):
            await keys.press("Tab")
            if await page.evaluate("document.activeElement.name") == "answer":
                break
        await keys.press("Space")
        await keys.press("Tab")
        await keys.press("Tab")
        assert await focused(page) == "Send the answer"
        await keys.press("Enter")
        await page.get_by_role("heading", name="Your answer was recorded").wait_for()
    (answered,) = staged.entries("acknowledgement")
    assert answered["answer"] == "acknowledged"
    kept_to_itself(staged, seen)


async def focused(page: Page) -> Any:
    return await page.evaluate("document.activeElement.textContent.trim()")


async def test_no_page_has_a_barrier_or_needs_scrolling_sideways(staged: Stage) -> None:
    found: dict[str, list[str]] = {}

    async def look(page: Page, state: str) -> None:
        found[state] = await barriers(page) + await overflows(page)

    alert = await staged.alert()
    answer = f"/answer/{alert}/{staged.links.answer_token(alert)}"
    async with chromium() as (page, seen):
        await passkey_device(page)
        await page.goto(f"{staged.public_url}/enrol/{await staged.offer()}")
        await look(page, "enrolment")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("heading", name="Your passkey is registered").wait_for()
        await look(page, "enrolled")
        await page.goto(staged.public_url + staged.path(alert))
        await look(page, "pick-up")
        await page.get_by_label("Code from").fill("000000")
        await page.get_by_role("button", name="Read the message").click()
        await page.get_by_role("heading", name="There is a problem").wait_for()
        await look(page, "wrong")
        await page.get_by_role("button", name="Read it with a passkey").click()
        await page.get_by_role("heading", name="What you are told").wait_for()
        await page.get_by_text("The entry and its proof").click()
        await look(page, "NOTIFY")
        async with page.context.expect_page() as opening:
            await page.get_by_role("link", name="How to check it yourself").click()
        checking = await opening.value
        await checking.get_by_role("heading", name="How to check").wait_for()
        await look(checking, "checking")
        await checking.close()
        assert canaries.NAME in await page.content()
        for message in VARIANTS:
            content = variant(message, alert) | {"status": "exercise"}
            other = await staged.alert(content, message=message, supersedes=alert)
            await page.goto(staged.public_url + staged.path(other))
            await page.get_by_role("button", name="Read it with a passkey").click()
            await page.get_by_role("heading", name="Your answer").wait_for()
            await look(page, message)
        await page.goto(staged.public_url + answer)
        await look(page, "answer")
        await page.get_by_role("button", name="Send the answer").click()
        await page.get_by_role("heading", name="There is a problem").wait_for()
        await look(page, "answer missing")
        await page.get_by_label("I have read it").check()
        await page.get_by_role("button", name="Send the answer").click()
        await page.get_by_role("heading", name="Your answer was recorded").wait_for()
        await look(page, "answered")
        await page.goto(staged.public_url + f"/answer/{alert}/{'A' * 22}")
        await page.get_by_label("I have read it").check()
        await page.get_by_role("button", name="Send the answer").click()
        await page.get_by_role("heading", name="Your answer was not recorded").wait_for()
        await look(page, "not answered")
        await page.goto(f"{staged.public_url}/enrol/{'A' * 22}")
        await page.get_by_role("button", name="Register a passkey").click()
        await page.get_by_role("heading", name="There is a problem").wait_for()
        await look(page, "not enrolled")
    assert {state: one for state, one in found.items() if one} == {}
    assert len(found) == 16
    kept_to_itself(staged, seen)


async def test_a_planted_barrier_width_or_foreign_picture_is_found(staged: Stage) -> None:
    async with chromium() as (page, seen):
        await page.goto(f"{staged.public_url}/pick-up/x/y")
        assert await barriers(page) == []
        await page.evaluate("document.querySelector('label').remove()")
        assert any(one.startswith("label:") for one in await barriers(page))
        await page.evaluate("document.querySelector('h1').style.width = '900px'")
        assert len(await overflows(page)) == 2
        assert seen.complaints == []
        await page.evaluate(
            "document.body.append(new Image()); "
            "document.images[0].src = 'https://elsewhere.example/x.png'"
        )
        for _ in range(50):
            if seen.complaints:
                break
            await asyncio.sleep(0.1)
    assert "Content Security Policy" in seen.complaints[0]


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "no javascript"])
async def test_going_back_shows_nothing_again(staged: Stage, javascript: bool) -> None:
    alert = await staged.alert()
    async with chromium(java_script_enabled=javascript) as (page, _):
        await by_code(page, staged, staged.path(alert))
        await page.get_by_role("heading", name="What you are told").wait_for()
        await page.goto(f"{staged.public_url}/answer/{alert}/x")
        await page.get_by_role("heading", name="Answer an alert").wait_for()
        with contextlib.suppress(playwright.async_api.Error):  # "Confirm form resubmission"
            await page.go_back(wait_until="load", timeout=3000)
        assert canaries.NAME not in await settled(page)
        with contextlib.suppress(playwright.async_api.Error):
            await page.reload(timeout=3000)
        assert canaries.NAME not in await settled(page)
    assert len(staged.entries("consultation")) == 1


async def settled(page: Page) -> str:
    """Return what a page shows once it has stopped changing."""
    for _ in range(50):
        with contextlib.suppress(playwright.async_api.Error):
            return await page.content()
        await asyncio.sleep(0.1)
    raise AssertionError("the page never settled")


async def test_the_screenshot_in_the_docs_is_of_a_real_run(staged: Stage, tmp_path: Path) -> None:
    """With THROUGHGATE_SCREENSHOTS=docs, it is made anew."""
    file = Path(os.environ.get("THROUGHGATE_SCREENSHOTS", str(tmp_path))) / "pick-up.png"
    path = staged.path(await staged.alert())
    async with chromium(viewport={"width": 900, "height": 860}) as (page, _):
        await page.goto(staged.public_url + path)
        await page.screenshot(path=file)
    assert file.read_bytes().startswith(b"\x89PNG")
    assert file.stat().st_size > 10_000
