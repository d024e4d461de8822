"""Audit: what was disclosed, each with its entry and a proof checked anew. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey, parse_keys
from gateway.disclosure_log.problem import BadCheckpoint, BadProof
from gateway.model.ids import AlertId, EndpointId
from gateway.store.engine import Connection
from gateway.store.log_tree import newest_checkpoint, restore_tree
from gateway.store.place import Place, placed
from gateway.store.sqlite import StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One alert over one endpoint as the log tells it, and whether its proof holds."""

    alert: AlertId
    endpoint: EndpointId
    state: str
    leaf_index: int
    entry: dict[str, Any]
    verified: bool


class Auditor:
    """A read-only look at one instance's log and outbox, against the log's public keys."""

    def __init__(self, reader: Connection, verifiers: Sequence[VerifierKey]) -> None:
        self._reader = reader
        self._verifiers = verifiers

    @classmethod
    def open(cls, where: Place | Path, vkey: str) -> "Auditor":
        """Open an instance's database read-only.

        Args:
            where: Where it is; a path is that of an embedded database.
            vkey: The text of `log.vkey`: one key a line.

        Raises:
            StoreUnavailable: missing or unreadable.
        """
        return cls(placed(where).open_reader(), parse_keys(vkey))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._reader.close()

    @property
    def size(self) -> int:
        """How many entries the newest checkpoint covers."""
        row = self._reader.execute("SELECT size FROM log_head").fetchone()
        return int(row[0]) if row else 0

    def latest_checkpoint(self) -> str:
        """Return the newest signed checkpoint.

        Raises:
            StoreUnavailable: the log is still empty.
        """
        newest = newest_checkpoint(self._reader)
        if newest is None:
            raise StoreUnavailable("empty-log", "the log has no checkpoint yet")
        return newest[1]

    def prove(self, index: int) -> str:
        """Return tlog-proof text for an entry against the newest checkpoint."""
        with self._reader:  # one snapshot: a commit in between would part path and checkpoint
            path = restore_tree(self._reader).inclusion_path(index)
            note = self.latest_checkpoint()
        return proof.render(index=index, path=path, checkpoint=note)

    def findings(self) -> list[Finding]:
        """Return every alert in the outbox with its entry, each proof verified now."""
        rows = self._reader.execute(
            "SELECT alert, endpoint, state, leaf_index, proof, body FROM outbox"
            " JOIN log_entry ON log_entry.idx = outbox.leaf_index ORDER BY leaf_index"
        )
        return [self._finding(*row) for row in rows]

    def sampled(self, count: int) -> list[Finding]:
        """Return the oldest and the newest of the outbox, so many of each, each proof verified."""
        found: dict[tuple[str, str], tuple[Any, ...]] = {}
        for order in ("ASC", "DESC"):
            rows = self._reader.execute(
                "SELECT alert, endpoint, state, leaf_index, proof, body FROM outbox"  # noqa: S608
                f" JOIN log_entry ON log_entry.idx = outbox.leaf_index ORDER BY alert {order}"
                " LIMIT ?",
                (count,),
            )
            found |= {(row[0], row[1]): row for row in rows}
        return [self._finding(*row) for row in found.values()]

    def entries(self, op: str) -> list[dict[str, Any]]:
        """Return every entry of one operation, oldest first."""
        bodies = self._reader.execute("SELECT body FROM log_entry ORDER BY idx")
        return [one for (body,) in bodies if (one := orjson.loads(body))["op"] == op]

    def _finding(
        self, alert: str, endpoint: str, state: str, index: int, text: str, body: bytes
    ) -> Finding:
        try:
            proven = proof.verify(text, entry=body, verifiers=self._verifiers)
            verified = proven.index == index
        except (BadProof, BadCheckpoint):
            verified = False
        return Finding(
            alert=AlertId(alert),
            endpoint=EndpointId(endpoint),
            state=state,
            leaf_index=index,
            entry=orjson.loads(body),
            verified=verified,
        )
