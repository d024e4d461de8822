"""Collecting: an alert read at its pick-up page by a human, or fetched sealed by a system.

1. Whatever is collected was first logged: the entry is durable before a byte is returned.
2. A link is used once. What decides that, and whether a second factor is right, is looked up,
   checked and counted inside one transaction: a thousand guesses at once are a thousand in a row.
3. Everything that leads to nothing is one answer, None, and its caller says it after a fixed time.

Source: DPA 2018 s.62(1)(c); OWASP ASVS 5.0 V6 (codes used once, guesses limited), V8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
import structlog

from gateway.answering import take
from gateway.disclosure_log import entry
from gateway.links import Links
from gateway.model.alert_answer import Means
from gateway.model.alert_state import Answer
from gateway.model.ids import AlertId, EndpointId
from gateway.model.strict_json import JsonObject
from gateway.second_factor import Code, Passkeys, Shown, proven
from gateway.store import alerts, pick_ups, second_factors, witnessed
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.pick_ups import Link
from gateway.store.sealed import alert_context
from gateway.store.store import Store
from gateway.traces import OFF, Traces
from keys.problem import KeyProblem

# Compared with where there is no row, so that an alert there never was takes as long.
_NO_ENDPOINT: Final = EndpointId("none/none")
_LOG = structlog.get_logger()

_Read = tuple[str | None, str]  # the page to show, and what to warn of


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An alert opened for one reader, once."""

    alert: AlertId
    content: JsonObject  # what `gateway.alert` makes
    decided_at: datetime
    answer_by: datetime | None
    leaf_index: int
    proof: str  # tlog-proof text
    entry: bytes  # the log's own record of the disclosure
    followed_by: AlertId | None  # a later alert takes its place

    def __repr__(self) -> str:
        return f"Opened({self.alert})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """What collecting needs."""

    store: Store
    links: Links
    passkeys: Passkeys
    clock: Callable[[], datetime]
    expires_after: timedelta
    traces: Traces = OFF

    async def sealed(self, alert: str, token: str) -> bytes | None:
        """Return the ciphertext a system collects, once the fetch is in the log; or None."""
        is_it = self.links.is_sealed
        found = None
        for one in self._links(alert):
            if is_it(token, AlertId(alert), one.endpoint) and one.sealed:
                found = one
        if found is None:
            is_it(token, AlertId(alert), _NO_ENDPOINT)
            return None
        return await self.store.commit(self._fetched(found))

    async def read(
        self, alert: str, token: str, shown: Shown, lay_out: Callable[[Opened], str]
    ) -> str | None:
        """Return an alert to the recipient it is for, once the reading is in the log; or None.

        Args:
            alert: As the link has it: anybody's text.
            token: As the link has it.
            shown: The second factor.
            lay_out: Makes the page; pure. Called before anything is used: should it fail, nothing
                was.

        Raises:
            StoreUnavailable: nothing was used.
        """
        is_it = self.links.is_pick_up
        found = None
        for one in self._links(alert):
            if is_it(token, AlertId(alert), one.endpoint, one.issue) and not one.sealed:
                found = one
        if found is None:
            is_it(token, AlertId(alert), _NO_ENDPOINT, 0)
            return None
        if isinstance(shown, Code) and not shown.is_shaped:
            return None  # a slip of the hand, not counted
        page, warning = await self.store.commit(self._read(found, shown, lay_out))
        if warning:
            _LOG.warning(warning, alert=found.alert, recipient=found.recipient)
        return page

    async def answer(
        self, alert: str, token: str, said: Answer, *, means: Means, reason: str | None
    ) -> bool:
        """Take a human's answer to an alert; return whether it is in the log now.

        Args:
            alert: As the link has it: anybody's text.
            token: As the link has it.
            said: What they say.
            means: "link" or "page".
            reason: Of a rejection, one of `gateway.model.alert_answer.REJECTIONS`.

        Raises:
            StoreUnavailable: nothing was recorded.
        """
        id_ = AlertId(alert)
        if not self.links.is_answer(token, id_):
            return False
        unit = alerts.answer(id_, said, means=means, by=None, reason=reason, now=self.clock())
        taken = await take(self.store, self.traces, id_, unit, said, means)
        return taken.verdict in {"taken", "repeated"}

    async def register(self, token: str, text: str) -> bool:
        """Register a passkey by its one-time link; return whether that was one."""
        now = self.clock()
        credential = self.passkeys.registered(text, token, now=now)
        if credential is None:
            return False
        sealed = self.store.sealed
        digest = second_factors.offer_digest(sealed, token)
        key = second_factors.factor_key(sealed)
        return await self.store.commit(second_factors.register(digest, credential, key, now=now))

    def _links(self, alert: str) -> list[Link]:
        return pick_ups.links(self.store.reader, alert)

    def _fetched(self, of: Link) -> Unit[bytes | None]:
        now = self.clock()

        def unit(connection: Connection) -> Staged[bytes | None]:
            current = pick_ups.link(connection, of.alert, of.endpoint)
            if current is None or not current.is_current(now, self.expires_after):
                return Staged(None)
            if not current.sealed:
                return Staged(None)
            sealed = pick_ups.ciphertext(connection, current)
            if sealed is None:
                return Staged(None)
            pick_ups.note_collected(connection, current, now)
            return Staged(sealed, [_collected(current, "system", now)])

        return unit

    def _read(self, of: Link, shown: Shown, lay_out: Callable[[Opened], str]) -> Unit[_Read]:
        """Return the unit that reads; its result is the page to show, and what to warn of."""
        now = self.clock()
        sealed = self.store.sealed
        key = second_factors.factor_key(sealed)

        def unit(connection: Connection) -> Staged[_Read]:
            current = pick_ups.link(connection, of.alert, of.endpoint)
            if current is None or not self._opens(connection, current, of, now):
                return Staged((None, ""))
            try:
                factors = second_factors.usable(connection, key, current.recipient)
                proof = proven(factors, shown, self.passkeys, now=now)
                if proof is None:
                    return _wrong(connection, current, now)
                opened = self._open(connection, current)
            except KeyProblem as error:
                return Staged((None, f"an alert or second factor does not open: {error.code}"))
            if opened is None:
                return Staged((None, ""))
            page = lay_out(opened)
            if not pick_ups.use(connection, current, now):
                return Staged((None, ""))
            second_factors.use(connection, proof)
            return Staged((page, ""), [_collected(current, proof.factor.kind, now)])

        return unit

    def _opens(self, connection: Connection, current: Link, asked: Link, now: datetime) -> bool:
        return (
            current.issue == asked.issue
            and current.opens(now, self.expires_after)
            and not second_factors.must_wait(connection, current.recipient, now)
        )

    def _open(self, connection: Connection, of: Link) -> Opened | None:
        """Open what is kept of an alert.

        Raises:
            KeyProblem: its person's key is gone, or the row was altered.
        """
        kept = pick_ups.kept(connection, of)
        if kept is None:
            return None
        key = self.store.sealed.key_of(connection, of.person)
        content = key.open(kept.held, alert_context(of.alert))
        return Opened(
            alert=of.alert,
            content=orjson.loads(content + b"}")["alert"],  # sealed without what each endpoint adds
            decided_at=kept.decided_at,
            answer_by=kept.answer_by,
            leaf_index=kept.leaf_index,
            proof=witnessed.better(connection, kept.proof),
            entry=kept.entry,
            followed_by=kept.followed_by,
        )


def _wrong(connection: Connection, of: Link, now: datetime) -> Staged[_Read]:
    second_factors.count_wrong(connection, of.recipient, now)
    if not pick_ups.count_failure(connection, of):
        return Staged((None, "a second factor was wrong"))
    closed = entry.security(at=now, code="pick-up-link-closed", agency=None).encode()
    return Staged((None, "a pick-up link was closed: too many second factors were wrong"), [closed])


def _collected(of: Link, means: str, now: datetime) -> bytes:
    return entry.collected(
        at=now,
        alert=of.alert,
        person=of.person,
        recipient=of.recipient,
        endpoint=of.endpoint,
        means=means,
    ).encode()
