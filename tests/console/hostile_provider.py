"""A provider that signs what it is told to: whatever a real one would never say."""

import base64
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey | OctKey

CLIENT = "throughgate"
SUBJECT = "subject-01"
_CONFUSED = b'{"alg":"HS256","kid":"k1"}'


@dataclass(kw_only=True)
class HostileProvider:
    """What it says of itself, whom it vouches for, and with which key."""

    issuer: str = ""
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1"}))
    alg: str = "ES256"
    header: dict[str, Any] = field(default_factory=dict)
    published: list[Key] | None = None  # None: the key it signs with
    discovery: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)  # changes; None leaves one out
    token: Callable[[str], str] = lambda text: text
    answer: Callable[[], web.StreamResponse] | None = None  # instead of the token's
    nonce: str = ""
    challenge: str = ""
    now: Callable[[], float] = lambda: 0.0
    codes: set[str] = field(default_factory=lambda: {"code-1"})
    asked: list[str] = field(default_factory=list)

    async def configuration(self, _request: web.Request) -> web.Response:
        self.asked.append("configuration")
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response(said | self.discovery)

    async def keys(self, _request: web.Request) -> web.Response:
        self.asked.append("keys")
        found = [self.key] if self.published is None else self.published
        return web.json_response({"keys": [one.as_dict(private=False) for one in found]})

    async def redeem(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("token")
        form = await request.post()
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = _base64url(digest)
        if challenge != self.challenge or form["code"] not in self.codes:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.codes.discard(str(form["code"]))
        if self.answer is not None:
            return self.answer()
        return web.json_response({"id_token": self.token(self.signed()), "token_type": "Bearer"})

    def signed(self) -> str:
        """Return its word on who somebody is."""
        at = int(self.now())
        claims = {
            "iss": self.issuer,
            "sub": SUBJECT,
            "aud": CLIENT,
            "exp": at + 300,
            "iat": at,
            "nonce": self.nonce,
        } | self.claims
        every = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(
            {"alg": self.alg, "kid": "k1"} | self.header, every, self.key, algorithms=[self.alg]
        )

    def confused(self, text: str) -> str:
        """Return a token signed with its public key, taken for a shared secret."""
        claims = text.split(".")[1]
        signed = f"{_base64url(_CONFUSED)}.{claims}"
        assert not isinstance(self.key, OctKey)
        secret = self.key.as_bytes(private=False)
        return f"{signed}.{_base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@contextlib.asynccontextmanager
async def hostile_provider() -> AsyncIterator[HostileProvider]:
    """Serve one on loopback until the block ends."""
    made = HostileProvider()
    application = web.Application()
    application.add_routes(
        [
            web.get("/.well-known/openid-configuration", made.configuration),
            web.get("/keys", made.keys),
            web.post("/token", made.redeem),
        ]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
