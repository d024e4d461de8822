"""Sessions of the console: begun, kept, ended; what a stolen or planted cookie is worth."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.console.session import COOKIE
from gateway.store import staff as staff_store
from tests.console.pages import Pages
from tests.console.stage import Client, Stage, stage


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "instance", Pages().routes) as made:
        yield made


def outcomes(staged: Stage) -> list[tuple[str | None, str]]:
    return [(one.get("staff"), one["outcome"]) for one in staged.entries("sign-in")]


async def is_in(client: Client) -> bool:
    return (await client.get("/console/things")).status == 200


async def test_the_cookie_is_random_and_kept_nowhere(staged: Stage) -> None:
    cookies = [(await staged.signed_in("dpo", id_=f"dpo-{number}")).cookies[COOKIE]
               for number in range(3)]  # fmt: skip
    assert len(set(cookies)) == 3
    assert {len(one) for one in cookies} == {43}
    database = staged.config.path(staged.config.instance.database)
    kept = b"".join(one.read_bytes() for one in database.parent.glob(f"{database.name}*"))
    for one in cookies:
        assert one.encode() not in kept
    assert staged.row("SELECT count(*) FROM session") == 3


async def test_a_planted_cookie_is_nobodys(staged: Stage) -> None:
    for planted in ("", "x", "A" * 43, "A" * 43 + "=", "A" * 5000, "é", "a b"):
        client = staged.client()
        client.cookies[COOKIE] = planted
        assert (await client.get("/console/things")).status in {303, 400}, planted


async def test_a_stolen_cookie_is_worth_nothing_after_signing_out(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    thief = Client(stage=staged, cookies=dict(dpo.cookies))
    assert await is_in(thief)
    left = await dpo.post("/console/sign-out")
    assert (left.status, left.to) == (303, "/console/signed-out")
    assert COOKIE not in dpo.cookies
    assert not await is_in(thief)
    assert outcomes(staged) == [("dpo-01", "signed-in"), ("dpo-01", "signed-out")]


async def test_nobody_else_can_sign_a_visitor_out(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert (await dpo.post("/console/sign-out", headers=elsewhere)).status == 400
    assert (await dpo.post("/console/sign-out", csrf="A" * 43)).status == 400
    assert (await dpo.get("/console/sign-out")).status == 404
    assert await is_in(dpo)
    assert (await staged.client().post("/console/sign-out")).status == 303


async def test_who_does_nothing_is_signed_out(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    for _ in range(3):
        staged.now.pass_by(seconds=staged.config.console.idle_s - 1)
        assert await is_in(dpo)
    staged.now.pass_by(seconds=staged.config.console.idle_s)
    assert not await is_in(dpo)
    assert staged.row("SELECT count(*) FROM session") == 0
    assert outcomes(staged) == [("dpo-01", "signed-in"), ("dpo-01", "expired")]


async def test_nobody_stays_beyond_the_end_of_a_shift(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    waits = int(staged.config.console.absolute_s // 600)
    for _ in range(waits - 1):
        staged.now.pass_by(seconds=600)
        assert await is_in(dpo)
    staged.now.pass_by(seconds=600)
    assert not await is_in(dpo)
    assert outcomes(staged)[-1] == ("dpo-01", "expired")


async def test_a_session_nobody_comes_back_to_is_ended_by_the_next_sign_in(staged: Stage) -> None:
    await staged.signed_in("dpo")
    staged.now.pass_by(hours=1)
    await staged.signed_in("operator")
    assert outcomes(staged) == [
        ("dpo-01", "signed-in"),
        ("dpo-01", "expired"),
        ("operator-01", "signed-in"),
    ]


async def test_looking_at_pages_does_not_commit_each_time(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    seen = staged.row("SELECT seen_at FROM session")
    for _ in range(3):
        staged.now.pass_by(seconds=5)
        assert await is_in(dpo)
    assert staged.row("SELECT seen_at FROM session") == seen
    staged.now.pass_by(seconds=30)
    assert await is_in(dpo)
    assert staged.row("SELECT seen_at FROM session") > seen


async def test_revoking_an_account_ends_its_sessions_and_no_other(staged: Stage) -> None:
    first = await staged.signed_in("dpo")
    staff = staff_store.find(staged.store.reader, "dpo-01")
    assert staff is not None
    second, other = await staged.enter(staff), await staged.signed_in("dpo", id_="dpo-02")
    await staged.store.commit(staff_store.revoke("dpo-01", by="admin-01", now=staged.now()))
    assert [await is_in(one) for one in (first, second, other)] == [False, False, True]
    assert outcomes(staged)[-2:] == [("dpo-01", "expired")] * 2
    revoked = staged.entries("directory")[-1]
    assert (revoked["action"], revoked["subject"], revoked["actor"]) == (
        "staff-revoked", "dpo-01", "admin-01",
    )  # fmt: skip
    assert await staged.sessions.begin(staff, "passkey", before=None) is None


async def test_an_id_is_never_used_again(staged: Stage) -> None:
    staff = await staged.add_staff("dpo")
    now = staged.now()
    assert await staged.store.commit(staff_store.revoke("dpo-01", by="admin-01", now=now))
    assert not await staged.store.commit(staff_store.revoke("dpo-01", by="admin-01", now=now))
    again = staff_store.add(staff, link=None, by="admin-01", now=now)
    assert not await staged.store.commit(again)


async def test_the_cookie_is_set_so_that_no_other_site_or_script_gets_it(staged: Stage) -> None:
    dpo = await staged.signed_in("dpo")
    asked = await staged.client().get("/console/sign-in")
    (door,) = asked.cookies.values()
    left = await dpo.post("/console/sign-out")
    for morsel in (door, left.cookies[COOKIE]):
        assert morsel["secure"]
        assert morsel["httponly"]
        assert morsel["samesite"] == "Strict"
        assert morsel["path"] == "/"
        assert not morsel["domain"]
    assert left.headers["clear-site-data"] == '"cache", "storage"'
