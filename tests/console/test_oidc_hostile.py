"""A provider that says what none should, and what a browser brings back that nobody asked for."""

import base64
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.config.console import OidcConfig
from gateway.console.session import COOKIE
from tests.console.hostile_provider import CLIENT, SUBJECT, HostileProvider, hostile_provider
from tests.console.pages import Pages
from tests.console.stage import Answered, Client, Stage, loopback, stage

RETURNED = "/console/sign-in/returned"
TRANSACTION = "__Host-throughgate-provider"


@pytest.fixture
async def hostile() -> AsyncIterator[HostileProvider]:
    async with hostile_provider() as made:
        yield made


@pytest.fixture
async def staged(tmp_path: Path, hostile: HostileProvider) -> AsyncIterator[Stage]:
    oidc = OidcConfig(issuer=hostile.issuer, client_id=CLIENT, timeout_s=2)
    async with stage(tmp_path / "instance", Pages().routes, oidc=oidc) as made:
        hostile.now = lambda: made.now().timestamp()
        await made.add_staff("dpo", subject=f"{hostile.issuer} {SUBJECT}")
        yield made


async def began(client: Client, hostile: HostileProvider, query: str = "") -> dict[str, list[str]]:
    """Ask to sign in, and have the provider know what was asked."""
    begun = await client.get(f"/console/sign-in/provider{query}")
    assert begun.status == 303, begun.text
    asked = parse_qs(urlsplit(begun.to).query)
    hostile.nonce = asked["nonce"][0]
    hostile.challenge = asked["code_challenge"][0]
    return asked


async def came_back(client: Client, **query: str) -> Answered:
    return await client.get(f"{RETURNED}?{urlencode(query)}")


async def sign_in(client: Client, hostile: HostileProvider, **query: str) -> Answered:
    asked = await began(client, hostile)
    return await came_back(client, **({"code": "code-1", "state": asked["state"][0]} | query))


KEYS: dict[str, Callable[[], tuple[str, Any]]] = {
    "ES256": lambda: ("ES256", ECKey.generate_key("P-256", {"kid": "k1"})),
    "RS256": lambda: ("RS256", RSAKey.generate_key(2048, {"kid": "k1"})),
    "PS256": lambda: ("PS256", RSAKey.generate_key(2048, {"kid": "k1"})),
    "Ed25519": lambda: ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "k1"})),
}


@pytest.mark.parametrize("kind", KEYS)
async def test_what_a_good_provider_says_is_believed(
    staged: Stage, hostile: HostileProvider, kind: str
) -> None:
    hostile.alg, hostile.key = KEYS[kind]()
    client = staged.client()
    assert (await sign_in(client, hostile)).status == 200
    assert (await client.get("/console/things")).status == 200


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another's": {"aud": "another"},
    "nobody's": {"aud": None},
    "ours and another's": {"aud": [CLIENT, "another"]},
    "another party": {"azp": "another"},
    "several, another party": {"aud": [CLIENT, "another"], "azp": "another"},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 1},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 1},
    "a long subject": {"sub": "x" * 256},
    "no expiry": {"exp": None},
    "an expiry that is no number": {"exp": "tomorrow"},
    "an expiry that is a truth": {"exp": True},
    "no time": {"iat": None},
}


@pytest.mark.parametrize("wrong", CLAIMS)
async def test_a_claim_that_is_wrong_lets_nobody_in(
    staged: Stage, hostile: HostileProvider, wrong: str
) -> None:
    hostile.claims = CLAIMS[wrong]
    await refused(staged, hostile)


@pytest.mark.parametrize(
    ("claim", "seconds", "status"),
    [("exp", -59, 200), ("exp", -61, 403), ("iat", 59, 200), ("iat", 62, 403),
     ("iat", -59, 200), ("iat", -62, 403), ("nbf", 59, 200), ("nbf", 62, 403)],
)  # fmt: skip
async def test_a_minute_is_what_clocks_may_differ(
    staged: Stage, hostile: HostileProvider, claim: str, seconds: int, status: int
) -> None:
    hostile.claims = {claim: int(staged.now().timestamp()) + seconds}
    assert (await sign_in(staged.client(), hostile)).status == status


async def refused(staged: Stage, hostile: HostileProvider, **query: str) -> None:
    client = staged.client()
    answer = await sign_in(client, hostile, **query)
    assert answer.status == 403
    assert COOKIE not in client.cookies
    assert staged.row("SELECT count(*) FROM session") == 0
    assert [one["outcome"] for one in staged.entries("sign-in")] == ["refused"]


def _none(text: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    return f"{header}.{text.split('.')[1]}."


def _swapped(text: str) -> str:
    return ".".join([*text.split(".")[:2], text.split(".")[2][::-1]])


TOKENS: dict[str, Callable[[HostileProvider], dict[str, Any]]] = {
    "unsigned": lambda _: {"token": _none},
    "a broken signature": lambda _: {"token": _swapped},
    "no token": lambda _: {"token": lambda _text: "x"},
    "empty": lambda _: {"token": lambda _text: ""},
    "another key of the same name": lambda _: {
        "published": [ECKey.generate_key("P-256", {"kid": "k1"})]
    },
    "another curve": lambda _: {
        "key": ECKey.generate_key("P-384", {"kid": "k1"}), "alg": "ES384",
    },
    "a name that is not published": lambda _: {"header": {"kid": "k2"}},
    "no keys": lambda _: {"published": []},
    "two keys of one name": lambda made: {
        "published": [made.key, ECKey.generate_key("P-256", {"kid": "k1"})]
    },
    "a public key taken for a secret": lambda made: {"token": made.confused},
    "a published secret": lambda _: {
        "key": OctKey.generate_key(256, {"kid": "k1"}), "alg": "HS256",
    },
    "a header we do not know": lambda _: {"token": lambda text: f"e30.{text}"},
}  # fmt: skip


@pytest.mark.parametrize("wrong", TOKENS)
async def test_a_signature_that_is_wrong_lets_nobody_in(
    staged: Stage, hostile: HostileProvider, wrong: str
) -> None:
    for name, value in TOKENS[wrong](hostile).items():
        setattr(hostile, name, value)
    await refused(staged, hostile)


ANSWERS: dict[str, Callable[[], web.StreamResponse]] = {
    "an error": lambda: web.json_response({"error": "invalid_grant"}, status=400),
    "a redirect": lambda: web.Response(status=302, headers={"Location": "/token"}),
    "no JSON": lambda: web.Response(text="<html>"),
    "a list": lambda: web.json_response([1]),
    "nothing": lambda: web.json_response({}),
    "a number": lambda: web.json_response({"id_token": 1}),
    "a flood": lambda: web.Response(body=b" " * 300_000),
}


@pytest.mark.parametrize("wrong", ANSWERS)
async def test_an_answer_that_is_none_lets_nobody_in(
    staged: Stage, hostile: HostileProvider, wrong: str
) -> None:
    hostile.answer = ANSWERS[wrong]
    await refused(staged, hostile)


async def test_the_way_back_must_be_the_one_that_was_asked_for(
    staged: Stage, hostile: HostileProvider
) -> None:
    for query in (
        {"state": "another"},
        {"state": ""},
        {"code": ""},
        {"code": "x" * 5000},
        {"iss": "https://elsewhere.example"},
    ):
        client = staged.client()
        assert (await sign_in(client, hostile, **query)).status in {400, 403}
        assert COOKIE not in client.cookies
    assert hostile.asked.count("token") == 0
    assert (await came_back(staged.client(), code="code-1", state="x")).status == 403


async def test_another_browsers_way_back_is_no_good_here(
    staged: Stage, hostile: HostileProvider
) -> None:
    attacker, victim = staged.client(), staged.client()
    asked = await began(attacker, hostile)
    await began(victim, hostile)
    back = await came_back(victim, code="code-1", state=asked["state"][0])
    assert back.status == 403
    assert COOKIE not in victim.cookies


async def test_a_transaction_is_over_after_ten_minutes(
    staged: Stage, hostile: HostileProvider
) -> None:
    client = staged.client()
    asked = await began(client, hostile)
    kept = client.cookies[TRANSACTION]
    staged.now.pass_by(minutes=10, seconds=1)
    back = await came_back(client, code="code-1", state=asked["state"][0])
    assert back.status == 403
    assert "open for too long" in back.text
    client.cookies[TRANSACTION] = kept[:-4] + "AAAA"
    assert (await came_back(client, code="code-1", state=asked["state"][0])).status == 403


async def test_an_issuer_that_says_it_names_itself_must(
    staged: Stage, hostile: HostileProvider
) -> None:
    hostile.discovery = {"authorization_response_iss_parameter_supported": True}
    assert (await sign_in(staged.client(), hostile)).status == 403
    assert (await sign_in(staged.client(), hostile, iss=hostile.issuer)).status == 200


@pytest.mark.parametrize(
    "said",
    [{"issuer": "https://elsewhere.example"}, {"token_endpoint": "http://198.51.100.7/token"},
     {"authorization_endpoint": "javascript:alert(1)"}, {"jwks_uri": None},
     {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": "http://[/"}],
    ids=["issuer", "in the clear", "script", "no keys", "file", "no address"],
)  # fmt: skip
async def test_a_provider_that_says_nonsense_of_itself_is_not_used(
    staged: Stage, hostile: HostileProvider, said: dict[str, Any]
) -> None:
    hostile.discovery = said
    asked = await staged.client().get("/console/sign-in/provider")
    assert asked.status == 503
    assert "did not answer" in asked.text
    assert not hostile.asked.count("token")


async def test_a_provider_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with loopback() as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
    oidc = OidcConfig(issuer=away, client_id=CLIENT, timeout_s=2)
    async with stage(tmp_path / "instance", oidc=oidc) as staged:
        asked = await staged.client().get("/console/sign-in/provider")
        assert asked.status == 503


async def test_keys_are_fetched_anew_when_they_have_changed_and_not_at_will(
    staged: Stage, hostile: HostileProvider
) -> None:
    assert (await sign_in(staged.client(), hostile)).status == 200
    hostile.key = ECKey.generate_key("P-256", {"kid": "k2"})
    hostile.header, hostile.codes = {"kid": "k2"}, {"code-1"}
    assert (await sign_in(staged.client(), hostile)).status == 403
    assert hostile.asked.count("keys") == 1
    staged.now.pass_by(minutes=1)
    hostile.codes = {"code-1"}
    assert (await sign_in(staged.client(), hostile)).status == 200
    assert hostile.asked.count("keys") == 2


async def test_a_fresh_proof_must_be_fresh_and_of_the_same_person(
    staged: Stage, hostile: HostileProvider
) -> None:
    client = staged.client()
    await sign_in(client, hostile)
    await staged.add_staff("dpo", id_="dpo-02", subject=f"{hostile.issuer} subject-02")
    staged.now.pass_by(minutes=6)
    at = int(staged.now().timestamp())
    for claims, status in (
        ({}, 403),
        ({"auth_time": at - 300}, 403),
        ({"auth_time": at, "sub": "subject-02"}, 403),
        ({"auth_time": at}, 200),
    ):
        hostile.claims, hostile.codes = claims, {"code-1"}
        asked = await began(client, hostile, "?again=/console/grave")
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        back = await came_back(client, code="code-1", state=asked["state"][0])
        assert back.status == status, claims
    assert (await client.get("/console/grave")).status == 200
    assert staged.row("SELECT count(*) FROM session") == 1


async def test_what_was_said_enters_no_log_line(
    staged: Stage, hostile: HostileProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile.claims = {"sub": "a-name@mail.example", "nonce": "another"}
    await refused(staged, hostile)
    said = capsys.readouterr()
    assert not re.search("a-name|code-1|k1", said.out + said.err)
