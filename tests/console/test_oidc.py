"""Signing in with a real provider that vouches for staff."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
from yarl import URL

from gateway.config.console import OidcConfig
from gateway.console.session import COOKIE
from tests.console.hostile_provider import CLIENT, SUBJECT
from tests.console.pages import Pages
from tests.console.stage import Client, Stage, loopback, stage, url_of
from tests.support.browser import barriers, chromium
from tests.support.oidc_provider import oidc_provider

RETURNED = "/console/sign-in/returned"
TRANSACTION = "__Host-throughgate-provider"
SECRET = "a secret: with signs"


@contextlib.asynccontextmanager
async def vouched(folder: Path, *, secret: str | None = None) -> AsyncIterator[Stage]:
    """Serve a console whose staff a real provider vouches for."""
    listener = loopback()
    redirect = url_of(listener) + RETURNED
    file = folder / "client-secret"
    if secret is not None:
        file.touch(mode=0o600)
        file.write_text(secret)
    async with (
        oidc_provider(
            client_id=CLIENT, redirect_uri=redirect, subject=SUBJECT, secret=secret
        ) as issuer,
        stage(
            folder / "instance",
            Pages().routes,
            oidc=OidcConfig(
                issuer=issuer,
                client_id=CLIENT,
                client_secret_file=None if secret is None else file,
            ),
            listener=listener,
        ) as staged,
    ):
        yield staged


def issuer_of(staged: Stage) -> str:
    assert staged.config.console.oidc is not None
    return staged.config.console.oidc.issuer


async def at_provider(client: Client, to: str) -> str:
    """Follow a real provider's own pages until it sends the browser back; return where to."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False)
    ) as session:
        for _ in range(12):
            if to.startswith(client.stage.public_url):
                return to.removeprefix(client.stage.public_url)
            async with session.get(to, allow_redirects=False) as answer:
                assert answer.status in {302, 303}, await answer.text()
                to = str(answer.url.join(URL(answer.headers["Location"])))
    raise AssertionError("the provider never sent the browser back")


async def test_a_real_provider_vouches_for_a_dpo(tmp_path: Path) -> None:
    async with vouched(tmp_path, secret=SECRET) as staged:
        await staged.add_staff("dpo", subject=f"{issuer_of(staged)} {SUBJECT}")
        client = staged.client()
        begun = await client.get("/console/sign-in/provider?next=/console/things")
        assert begun.status == 303
        asked = parse_qs(urlsplit(begun.to).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["response_type"] == ["code"]
        kept = begun.cookies[TRANSACTION]
        assert (kept["samesite"], kept["secure"], kept["httponly"]) == ("Lax", True, True)
        assert asked["state"][0] not in kept.value

        back = await at_provider(client, begun.to)
        entered = await client.get(back)
        assert entered.status == 200
        assert 'content="0;url=/console/things"' in entered.text
        assert entered.cookies[COOKIE]["samesite"] == "Strict"
        assert TRANSACTION not in client.cookies
        assert "Signed in as dpo-01" in (await client.get("/console/things")).text
        (logged,) = staged.entries("sign-in")
        assert (logged["staff"], logged["means"]) == ("dpo-01", "oidc")

        # Who can repeat the way back, with the cookie of it, gets nothing: the code is spent.
        thief = Client(stage=staged, cookies={TRANSACTION: kept.value})
        assert (await thief.get(back)).status == 403
        assert COOKIE not in thief.cookies


async def test_whom_a_provider_knows_and_we_do_not_is_nobody(tmp_path: Path) -> None:
    async with vouched(tmp_path) as staged:
        await staged.add_staff("dpo", subject=f"{issuer_of(staged)} another")
        await staged.add_staff("operator", subject=f"https://elsewhere.example {SUBJECT}")
        client = staged.client()
        begun = await client.get("/console/sign-in/provider")
        refused = await client.get(await at_provider(client, begun.to))
        assert refused.status == 403
        assert COOKIE not in client.cookies
        (logged,) = staged.entries("sign-in")
        assert logged["outcome"] == "refused"


async def test_in_a_browser_a_dpo_signs_in_and_proves_anew(tmp_path: Path) -> None:
    async with vouched(tmp_path) as staged, chromium() as (page, seen):
        await staged.add_staff("dpo", subject=f"{issuer_of(staged)} {SUBJECT}")
        await page.goto(f"{staged.public_url}/console/things")
        assert await barriers(page) == []
        await page.get_by_role("button", name="Continue with your organisation").click()
        await page.get_by_role("heading", name="Things").wait_for()
        before = await page.context.cookies(staged.public_url)
        staged.now.pass_by(minutes=6)
        await page.goto(f"{staged.public_url}/console/grave")
        await page.get_by_role("heading", name="Prove that it is you").wait_for()
        assert await barriers(page) == []
        staged.now.ahead *= 0  # the provider has its own clock
        await page.get_by_role("button", name="Continue with your organisation").click()
        await page.get_by_role("heading", name="Things").wait_for()
        assert page.url == f"{staged.public_url}/console/grave"
        assert await page.context.cookies(staged.public_url) != before
        assert staged.row("SELECT count(*) FROM session") == 1
    assert seen.complaints == []
