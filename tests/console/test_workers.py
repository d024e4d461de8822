"""Two workers of one gateway: what let somebody in at one lets nobody in at the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config.console import OidcConfig
from gateway.console.session import COOKIE
from gateway.store import sessions, staff
from gateway.store.group_commit import Staged
from tests.console.hostile_provider import CLIENT, SUBJECT, HostileProvider, hostile_provider
from tests.console.pages import Pages
from tests.console.stage import Client, Stage, another_worker, attribute, hidden, stage
from tests.console.test_oidc_hostile import RETURNED, TRANSACTION, began
from tests.support.authenticator import Authenticator

TOKEN = "W" * 22


@pytest.fixture
async def hostile() -> AsyncIterator[HostileProvider]:
    async with hostile_provider() as made:
        yield made


@pytest.fixture
async def staged(tmp_path: Path, hostile: HostileProvider) -> AsyncIterator[Stage]:
    oidc = OidcConfig(issuer=hostile.issuer, client_id=CLIENT, timeout_s=2)
    async with stage(tmp_path / "instance", Pages().routes, oidc=oidc) as made:
        hostile.now = lambda: made.now().timestamp()
        yield made


async def passkey(staged: Stage) -> Authenticator:
    """Enrol a passkey that does not count, as most do not: its counter gives no copy away."""
    made = Authenticator(origin=staged.public_url, rp_id="localhost")
    link = staff.link_digest(staged.store.sealed, TOKEN)
    await staged.add_staff("dpo", link=link)
    client, path = staged.client(), f"/console/enrol/{TOKEN}"
    challenge = attribute((await client.get(path)).text, "data-challenge")
    assert (await client.post(path, {"attestation": made.created(challenge)})).status == 200
    return made


async def test_an_assertion_is_good_once_at_all_workers(staged: Stage) -> None:
    device = await passkey(staged)
    async with another_worker(staged, Pages().routes) as other:
        client = staged.client()
        asked = await client.get("/console/sign-in")
        assertion = {"assertion": device.got(attribute(asked.text, "data-challenge"))}
        csrf = hidden(asked.text, "csrf")
        replayed = Client(stage=other, cookies=dict(client.cookies))
        entered = await client.post("/console/sign-in", assertion, csrf=csrf)
        assert (entered.status, COOKIE in client.cookies) == (303, True)
        refused = await replayed.post("/console/sign-in", assertion, csrf=csrf)
        assert (refused.status, COOKIE in replayed.cookies) == (403, False)
        # The door is open all the same: to another answer, at that worker.
        asked = await replayed.get("/console/sign-in")
        assertion = {"assertion": device.got(attribute(asked.text, "data-challenge"))}
        entered = await replayed.post(
            "/console/sign-in", assertion, csrf=hidden(asked.text, "csrf")
        )
        assert entered.status == 303
        assert staged.row("SELECT count(*) FROM session") == 2


async def test_an_answer_that_was_refused_for_whom_it_is_of_is_used_up(staged: Stage) -> None:
    device = await passkey(staged)
    client = await staged.signed_in("dpo", id_="dpo-02")
    staged.now.pass_by(minutes=6)
    asked = await client.get("/console/sign-in?again=/console/grave")
    assertion = {"assertion": device.got(attribute(asked.text, "data-challenge"))}
    csrf = hidden(asked.text, "csrf")
    again = {"again": "/console/grave"}
    assert (await client.post("/console/sign-in", assertion | again, csrf=csrf)).status == 403
    assert (await client.post("/console/sign-in", assertion, csrf=csrf)).status == 403


async def test_a_way_back_from_a_provider_is_good_once_at_all_workers(
    staged: Stage, hostile: HostileProvider
) -> None:
    await staged.add_staff("dpo", subject=f"{hostile.issuer} {SUBJECT}")
    async with another_worker(staged, Pages().routes) as other:
        client = staged.client()
        asked = await began(client, hostile)
        back = f"{RETURNED}?code=code-1&state={asked['state'][0]}"
        replayed = Client(stage=other, cookies={TRANSACTION: client.cookies[TRANSACTION]})
        assert (await client.get(back)).status == 200
        hostile.codes = {"code-1"}  # a provider that takes a code twice
        assert (await replayed.get(back)).status == 403
        assert COOKIE not in replayed.cookies
        assert staged.row("SELECT count(*) FROM session") == 1


async def test_what_was_used_is_kept_as_a_digest_until_it_ends(staged: Stage) -> None:
    device = await passkey(staged)
    client = staged.client()
    asked = await client.get("/console/sign-in")
    challenge = attribute(asked.text, "data-challenge")
    assertion = {"assertion": device.got(challenge)}
    await client.post("/console/sign-in", assertion, csrf=hidden(asked.text, "csrf"))
    mac, until = staged.row("SELECT mac, until FROM used_once")
    assert len(mac) == 32
    assert until > staged.now().timestamp() * 1000
    staged.now.pass_by(minutes=11)
    now = staged.now()
    spent = await staged.store.commit(
        lambda connection: Staged(sessions.use_once(connection, b"x" * 32, until=now, now=now))
    )
    assert spent
    assert staged.row("SELECT group_concat(hex(mac)) FROM used_once") == b"x".hex() * 32
