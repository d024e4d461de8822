"""A provider that vouches for staff: OpenID Connect, authorization code with PKCE.

It says who somebody is and nothing else: what they may see is in this gateway's own accounts, and
whoever has none is nobody.

Source: OpenID Connect Core 1.0 section 3.1; RFC 7636; RFC 9207; RFC 9700.
"""

import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import orjson
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

from gateway.config import Config
from gateway.console.transaction import Transaction
from keys.providers.secret_file import read_secret

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, OKPKey, RSAKey

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
SKEW_S: Final = 60

_KEY_TYPES: Final = {"RSA", "EC", "OKP"}  # never "oct": a public key must not serve as a secret
_LEAST_RSA_BITS: Final = 2048
_MAX_BYTES: Final = 256 * 1024
_KNOWN_FOR: Final = timedelta(hours=1)  # what the provider publishes of itself
_ASK_AGAIN_AFTER: Final = timedelta(minutes=1)
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}

Claims = Mapping[str, Any]


class BadAnswer(Exception):
    """The provider cannot be used, or what came back proves nothing. `code` is stable."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which provider, and who we are to it."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    ca_file: Path | None
    timeout_s: float

    @classmethod
    def of(cls, config: Config, *, redirect_uri: str) -> "Terms | None":
        """Return the configured provider, or None.

        Raises:
            BadKey: the file of the client's secret cannot be used.
        """
        section = config.console.oidc
        if section is None:
            return None
        secret = section.client_secret_file
        return cls(
            issuer=section.issuer,
            client_id=section.client_id,
            client_secret=None if secret is None else read_secret(config.path(secret)),
            redirect_uri=redirect_uri,
            ca_file=None if section.ca_file is None else config.path(section.ca_file),
            timeout_s=section.timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a provider publishes of itself."""

    at: datetime
    authorization: str
    token: str
    states_issuer: bool  # RFC 9207
    by_post: bool  # the client's secret goes into the form
    keys: tuple[Mapping[str, Any], ...]  # JWKs


class Provider:
    """Asks one provider who somebody is."""

    def __init__(self, terms: Terms, *, now: Callable[[], datetime]) -> None:
        self._terms = terms
        self._now = now
        self._known: _Known | None = None
        self._tls: ssl.SSLContext | None = None  # made when first needed: it is slow to make

    async def ask(self, transaction: Transaction) -> str:
        """Return where the browser is sent to be asked who it is.

        Raises:
            BadAnswer: the provider cannot be reached or used.
        """
        known = await self._discovered()
        challenge = hashlib.sha256(transaction.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._terms.client_id,
            "redirect_uri": self._terms.redirect_uri,
            "scope": "openid",
            "state": transaction.state,
            "nonce": transaction.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        if transaction.again is not None:
            query |= {"prompt": "login", "max_age": "0"}
        joint = "&" if "?" in known.authorization else "?"
        return f"{known.authorization}{joint}{urlencode(query)}"

    async def subject_of(self, query: Mapping[str, str], transaction: Transaction) -> str:
        """Return whom the provider vouches for, as accounts hold it: issuer, a space, sub.

        Raises:
            BadAnswer: it did not, or not to us, not now, or not in answer to what we asked.
        """
        if not hmac.compare_digest(query.get("state", "").encode(), transaction.state.encode()):
            raise BadAnswer("state")
        known = await self._discovered()
        stated = query.get("iss")
        if stated != self._terms.issuer and (known.states_issuer or stated is not None):
            raise BadAnswer("issuer")
        code = query.get("code", "")
        if not 0 < len(code) <= 4096:
            raise BadAnswer("no-code")
        token = await self._redeemed(known, code, transaction)
        claims = await self._verified(token)
        check_claims(claims, self._terms, transaction, now=self._now())
        return f"{self._terms.issuer} {claims['sub']}"

    async def _redeemed(self, known: _Known, code: str, transaction: Transaction) -> str:
        terms = self._terms
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": terms.redirect_uri,
            "code_verifier": transaction.verifier,
        }
        headers: dict[str, str] = {}
        if terms.client_secret is None:
            form["client_id"] = terms.client_id
        elif known.by_post:
            form |= {"client_id": terms.client_id, "client_secret": terms.client_secret}
        else:  # RFC 6749 section 2.3.1: each part encoded as in a form
            pair = f"{quote_plus(terms.client_id)}:{quote_plus(terms.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = await self._fetch("POST", known.token, form=form, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise BadAnswer("no-token")
        return token

    async def _verified(self, token: str) -> Claims:
        from joserfc import jwt  # late, as it is slow to load

        try:
            key = await self._key_of(token)
            return jwt.decode(token, key, algorithms=ALGORITHMS).claims
        except BadAnswer:
            raise
        except Exception:  # noqa: BLE001 - the token is anybody's: whatever it breaks, it proves nothing
            raise BadAnswer("signature") from None

    async def _key_of(self, token: str) -> "RSAKey | ECKey | OKPKey":
        """Return the key a token says it is signed with, asking the provider anew for one that is
        not known: it may have changed them."""
        from joserfc import jwk

        header = orjson.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        if header.get("alg") not in ALGORITHMS:
            raise BadAnswer("algorithm")
        known = await self._discovered()
        found = _matching(known.keys, header.get("kid"))
        if not found and self._now() >= known.at + _ASK_AGAIN_AFTER:
            found = _matching((await self._discovered(anew=True)).keys, header.get("kid"))
        if len(found) != 1:
            raise BadAnswer("key")
        key = jwk.import_key(dict(found[0]))
        if isinstance(key, jwk.OctKey) or (
            isinstance(key, jwk.RSAKey) and key.public_key.key_size < _LEAST_RSA_BITS
        ):
            raise BadAnswer("key")
        return key

    async def _discovered(self, *, anew: bool = False) -> _Known:
        known = self._known
        if known is None or anew or self._now() >= known.at + _KNOWN_FOR:
            self._known = known = await self._discover()
        return known

    async def _discover(self) -> _Known:
        issuer = self._terms.issuer
        said = await self._fetch("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise BadAnswer("issuer")
        keys = (await self._fetch("GET", _url(said, "jwks_uri"))).get("keys")
        if not isinstance(keys, list):
            raise BadAnswer("keys")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return _Known(
            at=self._now(),
            authorization=_url(said, "authorization_endpoint"),
            token=_url(said, "token_endpoint"),
            states_issuer=said.get("authorization_response_iss_parameter_supported") is True,
            by_post="client_secret_basic" not in methods,
            keys=tuple(one for one in keys if isinstance(one, dict)),
        )

    def _tls_for(self, url: str) -> ssl.SSLContext | bool:
        if not url.startswith("https:"):
            return True
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._terms.ca_file)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls

    async def _fetch(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Return a JSON object of the provider's. Follows no redirect."""
        _allowed(url)
        try:
            async with (
                ClientSession(
                    connector=TCPConnector(ssl=self._tls_for(url)),
                    cookie_jar=DummyCookieJar(),
                    timeout=ClientTimeout(total=self._terms.timeout_s),
                    trust_env=False,
                ) as session,
                session.request(
                    method, url, data=form, headers=headers, allow_redirects=False
                ) as reply,
            ):
                if reply.status != 200:
                    raise BadAnswer("status")
                content = await reply.content.read(_MAX_BYTES + 1)
                while not reply.content.at_eof() and len(content) <= _MAX_BYTES:
                    content += await reply.content.read(_MAX_BYTES + 1 - len(content))
            found = orjson.loads(content) if len(content) <= _MAX_BYTES else None
        except (ClientError, OSError, TimeoutError, ValueError):
            raise BadAnswer("unreachable") from None
        if not isinstance(found, dict):
            raise BadAnswer("shape")
        return found


def check_claims(claims: Claims, terms: Terms, transaction: Transaction, *, now: datetime) -> None:
    """Check what a provider says, once its signature is known to be good. Pure.

    Source: OpenID Connect Core 1.0 section 3.1.3.7.

    Raises:
        BadAnswer: `code` names the claim.
    """
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    subject, nonce = claims.get("sub"), claims.get("nonce")
    at, begun = now.timestamp(), transaction.at.timestamp()
    right = {
        "iss": claims.get("iss") == terms.issuer,
        "aud": terms.client_id in (audience if isinstance(audience, list) else [audience]),
        "azp": claims.get("azp", None if several else terms.client_id) == terms.client_id,
        "exp": at < _number(claims, "exp", -1) + SKEW_S,
        "iat": begun - SKEW_S <= _number(claims, "iat", -1) <= at + SKEW_S,
        "nbf": _number(claims, "nbf", 0) <= at + SKEW_S,
        "nonce": isinstance(nonce, str)
        and hmac.compare_digest(nonce.encode(), transaction.nonce.encode()),
        "sub": isinstance(subject, str) and 0 < len(subject) <= 255 and subject.isascii(),
        "auth_time": transaction.again is None
        or begun - SKEW_S <= _number(claims, "auth_time", -1) <= at + SKEW_S,
    }
    for name, holds in right.items():
        if not holds:
            raise BadAnswer(name)


def _number(claims: Claims, name: str, absent: float) -> float:
    found = claims.get(name, absent)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadAnswer(name)
    return found


def _matching(keys: tuple[Mapping[str, Any], ...], kid: object) -> list[Mapping[str, Any]]:
    signing = [
        one for one in keys if one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig"
    ]
    return signing if kid is None else [one for one in signing if one.get("kid") == kid]


def _url(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str):
        raise BadAnswer("shape")
    _allowed(url)
    return url


def _allowed(url: str) -> None:
    """Refuse what is not encrypted, unless it never leaves this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise BadAnswer("url") from None
    if not (parts.scheme == "https" and host) and not (
        parts.scheme == "http" and host in _LOOPBACK
    ):
        raise BadAnswer("url")
