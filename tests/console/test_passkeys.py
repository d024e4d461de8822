"""Local accounts: a link, a passkey, a sign-in; and everything that is not one."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.console.session import COOKIE, DOOR
from gateway.store import staff as staff_store
from tests.console.pages import Pages
from tests.console.stage import Answered, Client, Stage, attribute, hidden, stage
from tests.support.authenticator import Authenticator, text

TOKEN = "A" * 22


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path / "instance", Pages().routes) as made:
        yield made


def device(staged: Stage, **changes: object) -> Authenticator:
    made = Authenticator(origin=staged.public_url, rp_id="localhost")
    return replace(made, **changes)  # type: ignore[arg-type]


def digest(staged: Stage, token: str = TOKEN) -> bytes:
    return staff_store.link_digest(staged.store.sealed, token)


async def enrol(
    staged: Stage, passkey: Authenticator, token: str = TOKEN, *, challenge: str | None = None
) -> Answered:
    """Follow an enrolment link and register a passkey, as a browser does."""
    client, path = staged.client(), f"/console/enrol/{token}"
    asked = await client.get(path)
    made = passkey.created(challenge or attribute(asked.text, "data-challenge"))
    return await client.post(path, {"attestation": made})


async def offered(staged: Stage, passkey: Authenticator, id_: str = "dpo-01") -> None:
    """Make an account of a DPO's and register a passkey for it."""
    token = id_.ljust(22, "x")
    await staged.add_staff("dpo", id_=id_, link=digest(staged, token))
    assert (await enrol(staged, passkey, token)).status == 200


async def enter(
    staged: Stage, passkey: Authenticator, client: Client | None = None, **more: str
) -> tuple[Client, Answered]:
    """Sign in with a passkey, as a browser does."""
    client = client or staged.client()
    query = f"?again={more['again']}" if "again" in more else ""
    asked = await client.get(f"/console/sign-in{query}")
    got = passkey.got(attribute(asked.text, "data-challenge"))
    fields = {"assertion": got, **more}
    sent = await client.post("/console/sign-in", fields, csrf=hidden(asked.text, "csrf"))
    return client, sent


async def test_a_link_becomes_a_passkey_and_the_passkey_a_session(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    client, entered = await enter(staged, passkey, next="/console/things")
    assert (entered.status, entered.to) == (303, "/console/things")
    assert entered.cookies[COOKIE]["samesite"] == "Strict"
    assert entered.cookies[COOKIE]["secure"]
    assert entered.cookies[COOKIE]["httponly"]
    assert DOOR not in client.cookies
    assert (await client.get("/console/things")).status == 200
    actions = [one["action"] for one in staged.entries("directory")]
    assert actions == ["staff-added", "staff-passkey-offered", "staff-passkey-enrolled"]
    (signed_in,) = staged.entries("sign-in")
    assert (signed_in["staff"], signed_in["means"], signed_in["outcome"]) == (
        "dpo-01", "passkey", "signed-in",
    )  # fmt: skip


async def test_signing_in_again_changes_the_cookie_and_ends_the_one_before(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    client, _ = await enter(staged, passkey)
    before = Client(stage=staged, cookies=dict(client.cookies))
    staged.now.pass_by(minutes=6)
    assert (await client.get("/console/grave")).to == "/console/sign-in?again=/console/grave"
    _, entered = await enter(staged, passkey, client, again="/console/grave")
    assert entered.to == "/console/grave"
    assert client.cookies[COOKIE] != before.cookies[COOKIE]
    assert (await client.get("/console/grave")).status == 200
    assert (await before.get("/console/things")).status == 303
    assert staged.row("SELECT count(*) FROM session") == 1


async def test_a_planted_session_is_not_the_one_that_is_signed_in(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    attacker = await staged.signed_in("dpo", id_="dpo-02")
    victim = Client(stage=staged, cookies={COOKIE: "A" * 43})
    await enter(staged, passkey, victim)
    assert victim.cookies[COOKIE] not in {"A" * 43, attacker.cookies[COOKIE]}
    assert "Signed in as dpo-02" in (await attacker.get("/console/things")).text


async def test_a_fresh_proof_is_of_whoever_is_signed_in(staged: Stage) -> None:
    mine, theirs = device(staged), device(staged, id=b"credential-0002")
    await offered(staged, mine)
    await offered(staged, theirs, "dpo-02")
    client, _ = await enter(staged, mine)
    staged.now.pass_by(minutes=6)
    _, refused = await enter(staged, theirs, client, again="/console/grave")
    assert refused.status == 403
    assert "Signed in as dpo-01" in (await client.get("/console/things")).text
    assert staged.entries("sign-in")[-1] == staged.entries("sign-in")[-1] | {
        "staff": "dpo-02",
        "outcome": "refused",
    }


async def test_a_link_is_good_once_for_a_day_and_until_the_next(staged: Stage) -> None:
    await staged.add_staff("dpo", link=digest(staged))
    other = staff_store.offer(
        "dpo-01", digest(staged, "B" * 22), lost=False, by="admin-01", now=staged.now()
    )
    assert await staged.store.commit(other)
    assert (await enrol(staged, device(staged))).status == 403
    staged.now.pass_by(hours=24, seconds=1)
    assert (await enrol(staged, device(staged), "B" * 22)).status == 403
    again = staff_store.offer(
        "dpo-01", digest(staged, "C" * 22), lost=False, by="admin-01", now=staged.now()
    )
    assert await staged.store.commit(again)
    assert (await enrol(staged, device(staged), "C" * 22)).status == 200
    second = device(staged, id=b"credential-0002")
    assert (await enrol(staged, second, "C" * 22)).status == 403


async def test_a_lost_passkey_is_void_with_the_new_link(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    client, _ = await enter(staged, passkey)
    unit = staff_store.offer("dpo-01", digest(staged), lost=True, by="admin-01", now=staged.now())
    assert await staged.store.commit(unit)
    assert (await client.get("/console/things")).status == 303
    assert (await enter(staged, passkey))[1].status == 403
    assert (await enrol(staged, device(staged, id=b"credential-0002"))).status == 200


@pytest.mark.parametrize(
    "changes",
    [{"origin": "https://elsewhere.example"}, {"rp_id": "elsewhere.example"}, {"verifies": False}],
    ids=["another origin", "another name", "unverified user"],
)
async def test_what_is_no_proof_lets_nobody_in(staged: Stage, changes: dict[str, object]) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    refused = (await enter(staged, replace(passkey, **changes)))[1]  # type: ignore[arg-type]
    assert refused.status == 403
    assert COOKIE not in refused.cookies
    assert staged.row("SELECT count(*) FROM session") == 0
    (logged,) = staged.entries("sign-in")
    assert logged["outcome"] == "refused"
    assert "staff" not in logged


async def test_neither_a_strangers_key_nor_a_strangers_name_gets_in(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    for forger in (device(staged), device(staged, id=b"credential-0002")):
        assert (await enter(staged, forger))[1].status == 403


async def test_a_copied_passkey_is_found_by_its_counter(staged: Stage) -> None:
    passkey = device(staged, counter=5)
    await offered(staged, passkey)
    assert (await enter(staged, replace(passkey, counter=7)))[1].status == 303
    assert (await enter(staged, replace(passkey, counter=6)))[1].status == 403
    assert (await enter(staged, replace(passkey, counter=7)))[1].status == 403


async def test_an_answer_is_good_once_in_its_browser_and_in_time(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    client = staged.client()
    asked = await client.get("/console/sign-in")
    fields = {"assertion": passkey.got(attribute(asked.text, "data-challenge"))}
    csrf = hidden(asked.text, "csrf")
    doors = dict(client.cookies)
    other = staged.client()
    theirs = hidden((await other.get("/console/sign-in")).text, "csrf")
    assert (await other.post("/console/sign-in", fields, csrf=theirs)).status == 403
    assert (await client.post("/console/sign-in", fields, csrf=theirs)).status == 403
    assert staged.row("SELECT count(*) FROM session") == 0

    asked = await client.get("/console/sign-in")
    fields = {"assertion": passkey.got(attribute(asked.text, "data-challenge"))}
    assert (await client.post("/console/sign-in", fields, csrf=csrf)).status == 303
    again = Client(stage=staged, cookies=doors)
    assert (await again.post("/console/sign-in", fields, csrf=csrf)).status == 403

    late = Client(stage=staged, cookies=doors)
    asked = await late.get("/console/sign-in")
    fields = {"assertion": passkey.got(attribute(asked.text, "data-challenge"))}
    staged.now.pass_by(minutes=11)
    assert (await late.post("/console/sign-in", fields, csrf=csrf)).status == 403


async def test_another_site_cannot_sign_a_browser_in(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    client = staged.client()
    asked = await client.get("/console/sign-in")
    fields = {"assertion": passkey.got(attribute(asked.text, "data-challenge"))}
    csrf = hidden(asked.text, "csrf")
    for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        sent = await client.post("/console/sign-in", fields, csrf=csrf, headers=headers)
        assert sent.status == 400
    assert staged.row("SELECT count(*) FROM session") == 0


@pytest.mark.parametrize(
    "assertion",
    ["", "{}", "[]", "null", "x", "9" * 5000, json.dumps({"rawId": 1}), "[" * 20_000],
    ids=["empty", "no members", "list", "null", "word", "number", "type", "deep"],
)
async def test_rubbish_lets_nobody_in(staged: Stage, assertion: str) -> None:
    client = staged.client()
    asked = await client.get("/console/sign-in")
    sent = await client.post(
        "/console/sign-in", {"assertion": assertion}, csrf=hidden(asked.text, "csrf")
    )
    assert sent.status == 403


async def test_wrong_answers_are_slowed_down_and_right_ones_are_not(staged: Stage) -> None:
    passkey, forger = device(staged), device(staged, id=b"credential-0002")
    await offered(staged, passkey)
    statuses = [(await enter(staged, forger))[1].status for _ in range(8)]
    assert statuses == [403] * 5 + [429] * 3
    assert len(staged.entries("sign-in")) == 5
    assert (await enter(staged, passkey))[1].status == 303
    staged.now.pass_by(seconds=61)
    assert (await enter(staged, forger))[1].status == 403


async def test_a_revoked_account_is_out_with_its_passkey(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    await staged.store.commit(staff_store.revoke("dpo-01", by="admin-01", now=staged.now()))
    assert (await enter(staged, passkey))[1].status == 403
    unit = staff_store.offer("dpo-01", digest(staged), lost=False, by="a", now=staged.now())
    assert not await staged.store.commit(unit)


async def test_a_credential_is_one_accounts(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    await staged.add_staff("operator", link=digest(staged))
    assert (await enrol(staged, passkey)).status == 403


async def test_a_recipients_challenge_is_no_good_at_this_door(staged: Stage) -> None:
    passkey = device(staged)
    await staged.add_staff("dpo", link=digest(staged))
    from gateway.second_factor import Passkeys

    theirs = Passkeys.of(
        staged.public_url,
        key=staged.store.sealed.derive("webauthn"),
        lifetime=dt.timedelta(minutes=5),
    )
    challenge = theirs.challenge(TOKEN, now=staged.now(), nonce=bytes(16))
    assert (await enrol(staged, passkey, challenge=challenge)).status == 403


async def test_public_keys_rest_sealed_and_links_as_digests(staged: Stage) -> None:
    passkey = device(staged)
    await offered(staged, passkey)
    numbers = passkey.key.public_key().public_numbers()
    await staged.add_staff("operator", link=digest(staged))
    database = staged.config.path(staged.config.instance.database)
    kept = b"".join(one.read_bytes() for one in database.parent.glob(f"{database.name}*"))
    assert numbers.x.to_bytes(32) not in kept
    assert TOKEN.encode() not in kept
    assert text(b"credential-0001").encode() not in kept


async def test_passkeys_can_be_off(tmp_path: Path) -> None:
    off = "[console]\npasskeys = false\n"
    async with stage(tmp_path / "instance", sections=off) as staged:
        asked = await staged.client().get("/console/sign-in")
        assert "passkey" not in asked.text
        assert (await staged.client().get(f"/console/enrol/{TOKEN}")).status == 303
