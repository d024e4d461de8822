"""Second factors: published TOTP vectors, passkeys and their forgeries, enrolment, revocation."""

import asyncio
import datetime as dt
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import typer
from typer.testing import CliRunner

from gateway.cli import enrol
from gateway.cli.exits import NO, OK, USAGE, reported
from gateway.instance import create
from gateway.model.ids import RecipientId
from gateway.registration import register_recipients
from gateway.second_factor import Assertion, Factor, Passkeys, otpauth_uri, totp_step
from gateway.store import second_factors
from tests.http.pick_up_stage import NAME, SECRET, Stage, recipient, stage
from tests.support.authenticator import Authenticator

NOW = dt.datetime(2026, 3, 5, 9, 30, tzinfo=dt.UTC)
ORIGIN = "https://gateway.example:8443"
PASSKEYS = Passkeys.of(f"{ORIGIN}/", key=b"k" * 32, lifetime=dt.timedelta(minutes=10))


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    assert totp_step(SECRET, code, dt.datetime.fromtimestamp(at, dt.UTC)) == at // 30


def test_a_code_is_good_one_step_early_or_late_and_no_further() -> None:
    codes = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    step = int(NOW.timestamp()) // 30
    found = [totp_step(SECRET, codes.generate_otp(step + off), NOW) for off in range(-3, 4)]
    assert found == [None, None, step - 1, step, step + 1, None, None]


@pytest.mark.parametrize("digits", ["", "12345", "1234567", "abcdef", "１２３４５６", "\x00" * 6])
def test_what_is_not_six_digits_is_no_code(digits: str) -> None:
    assert totp_step(SECRET, digits, NOW) is None


def test_the_uri_is_what_authenticator_apps_read() -> None:
    parsed = pyotp.parse_uri(otpauth_uri(SECRET, recipient="ppu", issuer=NAME))
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.name, parsed.issuer, parsed.digits, parsed.interval) == ("ppu", NAME, 6, 30)
    assert parsed.byte_secret() == SECRET


def asked(scope: str = "link", now: dt.datetime = NOW) -> str:
    return PASSKEYS.challenge(scope, now=now, nonce=b"n" * 16)


def registered(authenticator: Authenticator) -> Factor:
    made = PASSKEYS.registered(authenticator.created(asked()), "link", now=NOW)
    assert made is not None
    return Factor(
        id="fac_1",
        recipient=RecipientId("ppu"),
        kind="passkey",
        credential=made.id,
        secret=made.public_key,
        last=made.counter,
    )


def proves(factor: Factor, text: str, *, scope: str = "link", now: dt.datetime = NOW) -> bool:
    shown = Assertion(text=text, scope=scope)
    return PASSKEYS.asserted([factor], shown, now=now) is not None


def test_a_passkey_proves_who_reads() -> None:
    authenticator = Authenticator(origin=ORIGIN, rp_id="gateway.example", counter=3)
    factor = registered(authenticator)
    assert factor.last == 3
    authenticator.counter = 4
    proof = PASSKEYS.asserted(
        [factor], Assertion(text=authenticator.got(asked()), scope="link"), now=NOW
    )
    assert proof is not None
    assert proof.last == 4


def test_a_synchronised_passkey_counts_nothing() -> None:
    authenticator = Authenticator(origin=ORIGIN, rp_id="gateway.example")
    factor = registered(authenticator)
    assert proves(factor, authenticator.got(asked()))


def test_what_a_forger_has_proves_nothing() -> None:
    authenticator = Authenticator(origin=ORIGIN, rp_id="gateway.example", counter=1)
    factor = registered(authenticator)
    assert not proves(factor, authenticator.got(asked())), "a counter that does not rise"
    authenticator.counter = 2
    good = authenticator.got(asked())
    assert proves(factor, good)
    assert not proves(factor, authenticator.got(asked("another link"))), "another link's challenge"
    assert not proves(factor, good, scope="another link")
    late = NOW + dt.timedelta(minutes=10, seconds=1)
    assert not proves(factor, good, now=late), "an old challenge"
    own = PASSKEYS.challenge("link", now=NOW, nonce=b"n" * 16)
    assert not proves(factor, authenticator.got(own[:-4] + "AAAA")), "a challenge not ours"
    assert not proves(factor, authenticator.got("")), "no challenge"
    authenticator.verifies = False
    assert not proves(factor, authenticator.got(asked())), "nobody verified"
    for origin, rp in (
        ("https://gateway.example", "gateway.example"),
        (ORIGIN, "evil.example"),
        ("https://evil.example", "evil.example"),
    ):
        phished = Authenticator(origin=origin, rp_id=rp, key=authenticator.key, counter=9)
        assert not proves(factor, phished.got(asked())), (origin, rp)
    other = Authenticator(origin=ORIGIN, rp_id="gateway.example", counter=9)
    assert not proves(factor, other.got(asked())), "another key under the same id"
    for hostile in ("", "{}", "[]", "null", "[" * 20000, '{"id": 1}', good[:-10]):
        assert not proves(factor, hostile)


def test_a_passkey_is_registered_only_with_our_own_challenge_and_origin() -> None:
    authenticator = Authenticator(origin=ORIGIN, rp_id="gateway.example")
    assert PASSKEYS.registered(authenticator.created(asked()), "link", now=NOW)
    assert not PASSKEYS.registered(authenticator.created(asked("other")), "link", now=NOW)
    authenticator.verifies = False
    assert not PASSKEYS.registered(authenticator.created(asked()), "link", now=NOW)
    phished = Authenticator(origin="https://evil.example", rp_id="gateway.example")
    assert not PASSKEYS.registered(phished.created(asked()), "link", now=NOW)
    assert not PASSKEYS.registered("{}", "link", now=NOW)


@pytest.fixture
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


def device(staged: Stage, **more: Any) -> Authenticator:
    return Authenticator(origin=staged.public_url, rp_id="localhost", **more)


async def challenge_on(staged: Stage, path: str) -> str:
    found = re.search(r'data-challenge="([^"]+)"', (await staged.get(path))[1])
    assert found
    return found[1]


async def enrolled(staged: Stage, authenticator: Authenticator, to: str = "ppu") -> tuple[int, str]:
    path = f"/enrol/{await staged.offer(to)}"
    return await staged.post(
        path, attestation=authenticator.created(await challenge_on(staged, path))
    )


async def test_a_passkey_is_enrolled_once_by_its_link_and_reads(staged: Stage) -> None:
    path = f"/enrol/{await staged.offer()}"
    authenticator, second = device(staged), device(staged, id=b"credential-0002")
    created = authenticator.created(await challenge_on(staged, path))
    assert (await staged.post(path, attestation=created))[0] == 200
    again = second.created(await challenge_on(staged, path))
    assert (await staged.post(path, attestation=again))[0] == 403
    actions = [(one["action"], one["subject"], one["actor"]) for one in staged.entries("directory")]
    assert actions[-2:] == [("factor-offered", "ppu", "PC-1"), ("factor-enrolled", "ppu", "PC-1")]

    link = staged.path(await staged.alert())
    authenticator.counter = 1
    assertion = authenticator.got(await challenge_on(staged, link))
    status, page = await staged.post(link, assertion=assertion)
    assert (status, "What you are told" in page) == (200, True)
    (logged,) = staged.entries("consultation")
    assert logged["means"] == "passkey"
    assert staged.row("SELECT last FROM second_factor WHERE credential IS NOT NULL") == 1
    other = staged.path(await staged.alert())
    assert (await staged.post(other, assertion=assertion))[0] == 403, "bound to its link"


async def test_a_passkey_reads_for_its_own_recipient_alone(staged: Stage) -> None:
    mine, theirs = device(staged), device(staged, id=b"credential-0002")
    assert (await enrolled(staged, mine))[0] == 200
    assert (await enrolled(staged, theirs, "other"))[0] == 200
    link = staged.path(await staged.alert())
    assert (await staged.post(link, assertion=theirs.got(await challenge_on(staged, link))))[
        0
    ] == 403
    assert (await staged.post(link, assertion=mine.got(await challenge_on(staged, link))))[0] == 200


async def test_one_device_is_not_enrolled_twice_under_one_id(staged: Stage) -> None:
    assert (await enrolled(staged, device(staged)))[0] == 200
    assert (await enrolled(staged, device(staged), "other"))[0] == 403


async def test_an_enrolment_page_says_nothing_of_its_link(staged: Stage) -> None:
    path = f"/enrol/{await staged.offer()}"
    shape = re.compile(r'data-(challenge|user)="[^"]*"')
    pages = {shape.sub("", (await staged.get(one))[1]) for one in (path, "/enrol/" + "A" * 22)}
    assert len(pages) == 1
    assert "ppu" not in pages.pop()


async def test_an_offer_ends_after_a_day_or_when_revoked(staged: Stage) -> None:
    late, revoked = f"/enrol/{await staged.offer()}", f"/enrol/{await staged.offer()}"
    second_id = staged.row("SELECT max(id) FROM second_factor")
    await staged.store.commit(second_factors.revoke(second_id, by="DPO", now=staged.now()))
    created = device(staged).created(await challenge_on(staged, revoked))
    assert (await staged.post(revoked, attestation=created))[0] == 403
    staged.now.ahead += dt.timedelta(hours=24, seconds=1)
    created = device(staged).created(await challenge_on(staged, late))
    assert (await staged.post(late, attestation=created))[0] == 403


async def test_a_revoked_factor_reads_nothing(staged: Stage) -> None:
    id_ = await staged.enrol()
    await staged.store.commit(second_factors.revoke(id_, by="DPO", now=staged.now()))
    link = staged.path(await staged.alert())
    assert (await staged.post(link, code=staged.code()))[0] == 403


async def test_a_secret_rests_sealed_and_bound_to_its_row(staged: Stage) -> None:
    id_ = await staged.enrol()
    await staged.enrol("other", b"another-secret-of-20")
    for file in staged.folder.rglob("throughgate.db*"):
        assert SECRET not in file.read_bytes()
    await staged.change(
        "UPDATE second_factor SET sealed = (SELECT sealed FROM second_factor WHERE id = ?)"
        " WHERE recipient = 'other'",
        id_,
    )
    link = staged.path(await staged.alert(to="other"), "other")
    assert (await staged.post(link, code=staged.code()))[0] == 403


# The commands, as the application registers them.
def run(*arguments: Any, **options: Any) -> tuple[int, str, str]:
    app = typer.Typer()
    command, *rest = arguments
    app.command()(reported(lambda: command(*rest, **options)))
    ran = CliRunner().invoke(app, [])
    return ran.exit_code, ran.stdout, ran.stderr


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    config = asyncio.run(
        create(tmp_path, name=NAME, sections='public_url = "https://gateway.example"\n')
    )
    asyncio.run(register_recipients(config, [recipient("ppu")]))
    return tmp_path / "throughgate.toml"


def test_totp_is_enrolled_and_listed_and_revoked_on_the_command_line(config_file: Path) -> None:
    code, out, err = run(enrol.enrol, config_file, "ppu", totp=True, passkey=False, by="PC-1")
    assert (code, err) == (OK, "")
    assert pyotp.parse_uri(out.strip()).name == "ppu"
    assert out.count("\n") == 1
    code, out, _ = run(enrol.factors, config_file, "ppu")
    id_ = out.split()[0]
    assert (code, out.split()[1:4]) == (OK, ["totp", "in", "force"])
    assert run(enrol.revoke_factor, config_file, id_, by="DPO")[0] == OK
    code, _, err = run(enrol.revoke_factor, config_file, id_, by="DPO")
    assert (code, "no second factor of that id is in force" in err) == (NO, True)
    assert "revoked" in run(enrol.factors, config_file, "ppu")[1]


def test_a_passkey_is_offered_by_a_link_kept_only_as_a_digest(config_file: Path) -> None:
    code, out, _ = run(enrol.enrol, config_file, "ppu", totp=False, passkey=True, by="PC-1")
    assert code == OK
    link = re.fullmatch(r"https://gateway\.example/enrol/([A-Za-z0-9_-]{22})\n", out)
    assert link
    assert "offered" in run(enrol.factors, config_file, "ppu", as_json=True)[1]
    with sqlite3.connect(config_file.parent / "throughgate.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert link[1] not in dump


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"recipient": "ppu", "totp": True, "passkey": True, "by": "PC-1"}, USAGE),
        ({"recipient": "ppu", "totp": False, "passkey": False, "by": "PC-1"}, USAGE),
        ({"recipient": "nobody", "totp": True, "passkey": False, "by": "PC-1"}, NO),
        ({"recipient": "ppu", "totp": True, "passkey": False, "by": "a b"}, USAGE),
    ],
    ids=["both kinds", "no kind", "unknown recipient", "not a staff id"],
)
def test_enrolment_is_refused(config_file: Path, arguments: Any, code: int) -> None:
    assert run(enrol.enrol, config_file, **arguments)[:2] == (code, "")


def test_a_recipient_without_a_factor_is_said_to_read_nothing(config_file: Path) -> None:
    code, out, err = run(enrol.factors, config_file, "ppu")
    assert (code, out) == (NO, "")
    assert "recipients enrol ppu --totp" in err


def test_a_new_link_for_what_was_never_sent_is_refused(config_file: Path) -> None:
    code, _, err = run(enrol.new_link, config_file, "alt_none", "ppu/email", by="PC-1")
    assert (code, "no link of that alert was sent there" in err) == (NO, True)
