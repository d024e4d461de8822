"""A real Chromium for the tests, a passkey device in it, and axe-core's accessibility rules."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.support.node import node_package
from tests.support.servers import require

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)  # no slots: the browser keeps notes on whom it calls
class Seen:
    """What a browser did beside showing pages."""

    origins: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        self.origins.add(f"{parts.scheme}://{parts.netloc}")

    def console(self, message: ConsoleMessage) -> None:
        # A wrong answer is a 403 and half a form a 400, which the console calls failures.
        if message.type in {"error", "warning"} and "status of 40" not in message.text:
            self.complaints.append(message.text)

    def error(self, error: Exception) -> None:
        self.complaints.append(str(error))


@contextlib.asynccontextmanager
async def chromium(**context: Any) -> AsyncIterator[tuple[Page, Seen]]:
    """Open a page in Debian's Chromium, as it comes: with its back/forward cache on."""
    path = require("chromium", "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, ignore_default_args=["--disable-back-forward-cache"]
        )
        try:
            opened = await browser.new_context(**context)
            yield await _page(opened)
        finally:
            await browser.close()


async def _page(context: BrowserContext) -> tuple[Page, Seen]:
    seen = Seen()
    context.on("request", seen.request)
    context.on("console", seen.console)
    page = await context.new_page()
    page.on("pageerror", seen.error)
    page.set_default_timeout(15_000)
    return page, seen


async def passkey_device(page: Page) -> None:
    """Give a page a device that keeps passkeys and verifies its user."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    await session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


async def barriers(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 A and AA on a page as it is shown now."""
    await page.evaluate(_axe())
    found = await page.evaluate(
        # What passes is named but not listed element by element, which is most of the work.
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags},"
        " resultTypes: ['violations']})",
        WCAG,
    )
    assert len(found["passes"]) > 5, "axe looked at nothing"
    return [
        f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]
    ]


async def overflows(page: Page) -> list[str]:
    """Return the widths of a page that must be scrolled sideways to be read, at 320 CSS pixels
    (a 1280 pixel screen at 400 %, 640 at 200 %) and with text of twice the size at 640."""
    found = []
    for width, size in ((320, "100%"), (640, "200%")):
        await page.set_viewport_size({"width": width, "height": 640})
        wide = await page.evaluate(
            "size => { document.documentElement.style.fontSize = size;"
            " const root = document.scrollingElement; const wide = root.scrollWidth;"
            " document.documentElement.style.fontSize = ''; return wide - root.clientWidth; }",
            size,
        )
        if wide > 0:
            found.append(f"{width} px at {size}: {wide} px too wide")
    return found


def _axe() -> str:
    return (node_package("axe-core") / "axe.min.js").read_text("utf-8")
