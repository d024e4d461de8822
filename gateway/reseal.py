"""Just before an attempt: may the key an alert was sealed to still be used?

If not, the alert is sealed anew to the key the directory holds now; where there is none, what
leaves is a content-free notice. What was sealed to a revoked or expired key never leaves again.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from gateway.directory import Directory
from gateway.disclosing import Disclosing
from gateway.disclosure_log import entry
from gateway.incidents import Code
from gateway.metrics import KEY_PROBLEMS
from gateway.model.outcome import Deferred
from gateway.model.party import Endpoint
from gateway.over_endpoint import (
    cipher_logged,
    forms_for,
    key_in_use,
    plaintext,
    seal_over,
    unsealed_text,
)
from gateway.store.leases import of_slots
from gateway.store.outbox import OutboxRow
from gateway.store.resealing import Resealed, content_of, reseal
from gateway.store.store import Store
from keys.problem import KeyProblem

_LOG = structlog.get_logger()


class Preparing:
    """Makes a row fit to leave."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        disclosing: Callable[[datetime], Disclosing],
        clock: Callable[[], datetime],
        report: Callable[[Code, str], None],
    ) -> None:
        """Build it.

        Args:
            store: Where rows and alerts are.
            directory: Looked at anew before each attempt.
            disclosing: Time, randomness and keys of sealing at a time.
            clock: Aware UTC.
            report: Tells the operator: a code and the endpoint it is about.
        """
        self._store = store
        self._directory = directory
        self._disclosing = disclosing
        self._clock = clock
        self._report = report

    async def prepare(self, row: OutboxRow) -> OutboxRow | Deferred:
        """Return the row as it may leave now, sealed anew if it must be. Commits if so.

        Raises:
            StoreUnavailable.
        """
        if row.form != "sealed":
            return row
        under = self._store.shards.tokens
        self._directory.refresh()
        endpoint = self._directory.endpoint(row.endpoint)
        if endpoint is None:
            return row  # withdrawn: nobody to send to, whatever the key
        now = self._clock()
        wrong = _trouble(row, endpoint, now)
        if wrong is None:
            return row
        KEY_PROBLEMS.inc()
        _LOG.error("key cannot be used", code=f"key-{wrong}", endpoint=row.endpoint)
        self._report("key-unusable", row.endpoint)
        try:
            resealed = self._anew(row, endpoint, now)
        except KeyProblem as error:
            return Deferred(reason=f"key-{error.code}")
        if resealed is None:
            return Deferred(reason="erased")
        logged = entry.sealing(
            at=now,
            alert=row.alert,
            endpoint=row.endpoint,
            channel=row.channel,
            form=resealed.form,
            reason=f"key-{wrong}",
            key_id=resealed.key_id,
            cipher=resealed.cipher,
        )
        unit = reseal(row, resealed, logged.encode())
        await self._store.commit_owned(unit, of_slots([row.slot]), under)
        return replace(row, form=resealed.form, sealed=resealed.sealed, key_id=resealed.key_id)

    def _anew(self, row: OutboxRow, endpoint: Endpoint, now: datetime) -> Resealed | None:
        """Return what leaves in place of what may not; None if the person was erased.

        Raises:
            KeyProblem: no key may be used, and no notice may go over this channel.
        """
        found = content_of(self._store.reader, self._store.sealed, row)
        if found is None:
            return None
        context = self._disclosing(now)
        content, logged = found
        try:
            held = key_in_use(endpoint, now)
            whole = plaintext(row.alert, content, logged, context.links)
            sealed = seal_over(endpoint, held, row.alert, whole, context)
        except KeyProblem:
            if "notice" not in forms_for(endpoint):
                raise
            text = unsealed_text(row.alert, row.endpoint, "notice", context.links)
            return Resealed(form="notice", sealed=text, key_id=None)
        return Resealed(
            form="sealed",
            sealed=sealed,
            key_id=held.key.key_id,
            cipher=cipher_logged(endpoint, held),
        )


def _trouble(row: OutboxRow, endpoint: Endpoint, now: datetime) -> str | None:
    """Return why what a row was sealed to may not be used any more, or None."""
    for held in endpoint.keys:
        if held.key.key_id == row.key_id:
            return held.trouble(now)
    return "withdrawn"
