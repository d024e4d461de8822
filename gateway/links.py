"""Links to one alert: unguessable, made anew from the alert whenever wanted, stored nowhere.

A token is 128 bits of a keyed digest over what it is for; who holds the database alone can make
none. What a link still may do (used, expired, recalled) is the outbox row's to say.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from gateway.model.ids import AlertId, EndpointId

_TOKEN_BYTES: Final = 16
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes and checks the links of one instance. Pure."""

    key: bytes  # 32 bytes, derived for this purpose alone
    public_url: str  # https, without a trailing slash

    def __repr__(self) -> str:
        return "Links(...)"

    def pick_up(self, alert: AlertId, endpoint: EndpointId, issue: int) -> str:
        """Return the page where one recipient reads one alert once. `issue` counts from 0: a link
        given anew is another one, and the old one is void."""
        return f"{self.public_url}/pick-up/{alert}/{self._token('pick-up', alert, endpoint, issue)}"

    def sealed(self, alert: AlertId, endpoint: EndpointId) -> str:
        """Return where a system collects the sealed alert that is too long to be pushed."""
        return (
            f"{self.public_url}/v1/alerts/{alert}/sealed/{self._token('sealed', alert, endpoint)}"
        )

    def answer(self, alert: AlertId) -> str:
        """Return where a human answers an alert: acknowledge, accept, reject, actioned."""
        return f"{self.public_url}/answer/{alert}/{self.answer_token(alert)}"

    def answer_token(self, alert: AlertId) -> str:
        """Return what proves to `POST /v1/alerts/ALERT/answer` that the alert was opened."""
        return self._token("answer", alert)

    def is_pick_up(self, token: str, alert: AlertId, endpoint: EndpointId, issue: int) -> bool:
        """Return whether a token is that link's, in constant time."""
        return self._is(token, "pick-up", alert, endpoint, issue)

    def is_sealed(self, token: str, alert: AlertId, endpoint: EndpointId) -> bool:
        """Return whether a token is that link's, in constant time."""
        return self._is(token, "sealed", alert, endpoint)

    def is_answer(self, token: str, alert: AlertId) -> bool:
        """Return whether a token is that alert's, in constant time."""
        return self._is(token, "answer", alert)

    def _token(self, purpose: str, *parts: str | int) -> str:
        text = "\0".join((purpose, *map(str, parts)))
        digest = hmac.new(self.key, text.encode(), hashlib.sha256).digest()[:_TOKEN_BYTES]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _is(self, token: str, purpose: str, *parts: str | int) -> bool:
        shaped = token if _TOKEN.fullmatch(token) else "A" * 22
        right = hmac.compare_digest(shaped, self._token(purpose, *parts))
        return right and shaped is token
