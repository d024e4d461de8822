"""The gateway with a bug in it: `python -m tests.jepsen.planted BUG[,BUG] serve --config ...`.

Each bug is one that such a system has had, put in by replacing a function in the process that is
started, never by a switch in the product. The checker has to find every one of them.
"""

import asyncio
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import redis.asyncio

from gateway import deliver, pipeline
from gateway.disclosure_log.checkpoint import parse_checkpoint, sign_checkpoint
from gateway.model.ids import EventRef, ReceiptId
from gateway.model.posted import Conflict, Posted, Receipt
from gateway.shards import Shards
from gateway.store import decisions, group_commit, owed
from gateway.store import store as store_module
from gateway.store.acceptance import Acceptance
from gateway.store.group_commit import GroupCommit, Staged
from gateway.store.log_reader import StoreLogReader
from gateway.store.store import Store

_HELD_BACK_S: Final = 0.25  # what was promised too early is not durable for so long


class _Late:
    """A connection that lets something happen between the last statement and COMMIT."""

    def __init__(self, connection: Any, before: Callable[[], None]) -> None:
        self._connection = connection
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *bindings: Any) -> Any:
        if statement == "COMMIT":
            self._before()
        return self._connection.execute(statement, *bindings)


def _told_before_commit(which: Callable[[Staged[Any]], bool]) -> None:
    """Answer whoever asked for some units of work a while before they are committed."""
    transact = GroupCommit._transact

    def early(self: GroupCommit, batch: list[Any]) -> bool:
        def before() -> None:
            chosen = [job for job in batch if job.staged is not None and which(job.staged)]
            if chosen:
                self._loop.call_soon_threadsafe(group_commit._resolve, chosen)
                time.sleep(_HELD_BACK_S)

        connection = self._connection
        self._connection = _Late(connection, before)  # type: ignore[assignment]
        try:
            return transact(self, batch)
        finally:
            self._connection = connection

    GroupCommit._transact = early  # type: ignore[method-assign]


def ack_before_commit() -> None:
    """A post is answered 202 when its transaction has run, and not when it is durable."""
    _told_before_commit(lambda staged: staged.finish is None)


def send_before_log() -> None:
    """An alert leaves when its entry has its place in the log, and not when that is durable."""
    _told_before_commit(lambda staged: staged.finish is not None)
    owed.Owed.is_pending = lambda self, *_: True  # type: ignore[method-assign]
    owed.Owed.owes_older = lambda self, *_: False  # type: ignore[method-assign]


def two_decisions() -> None:
    """An event is decided again though it was; nobody asks whether it still is to be."""
    decisions._still_open = lambda connection, decided, state: True  # type: ignore[assignment]
    tell = pipeline.Pipeline.tell
    turns = itertools.count()

    async def again(self: pipeline.Pipeline, event: Any) -> None:
        await tell(self, event)
        if next(turns) % 10 == 0:
            await tell(self, event)

    pipeline.Pipeline.tell = again  # type: ignore[method-assign]


def forked_checkpoint() -> None:
    """Now and then somebody is shown a signed checkpoint of another log of the same size."""
    newest = StoreLogReader.latest_checkpoint
    turns = itertools.count()

    async def forked(self: StoreLogReader) -> str | None:
        note = await newest(self)
        if note is None or next(turns) % 10:
            return note
        shown = parse_checkpoint(note)
        root = hashlib.sha256(shown.root).digest()
        return sign_checkpoint(*self._store.signers(), size=shown.size, root=root)

    StoreLogReader.latest_checkpoint = forked  # type: ignore[method-assign]


def redis_as_truth() -> None:
    """A post is answered once Redis has it; the database gets it a moment later, from there."""
    accept = Store.accept
    client = redis.asyncio.Redis.from_url(os.environ["THROUGHGATE_PLANTED_REDIS"])
    under_way: set[asyncio.Task[None]] = set()

    async def later(self: Store, name: str, posted: Posted, rest: dict[str, Any]) -> None:
        await asyncio.sleep(2 * _HELD_BACK_S)
        if await client.exists(name):
            await accept(self, posted, **rest)

    async def early(self: Store, posted: Posted, **rest: Any) -> Acceptance:
        name = f"planted:{hashlib.sha256(posted.message_id.encode()).hexdigest()}"
        new_id = rest["new_id"]
        own = {"rcp": [new_id("rcp")], "evt": [new_id("evt") for _ in posted.events]}
        body = hashlib.sha256(posted.signed).hexdigest()
        answer = json.dumps([body, own["rcp"][0], own["evt"]])
        if not await client.set(name, answer, nx=True):
            known = json.loads(await client.get(name) or "[0]")
            if known[0] != body:
                return Acceptance(answer=Conflict(what="request"))
            return Acceptance(answer=Receipt(id=known[1], events=tuple(known[2])))
        receipt = Receipt(id=ReceiptId(own["rcp"][0]), events=tuple(map(EventRef, own["evt"])))
        rest["new_id"] = lambda kind: own[kind].pop(0) if own.get(kind) else new_id(kind)
        task = asyncio.create_task(later(self, name, posted, rest))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        return Acceptance(answer=receipt)

    Store.accept = early  # type: ignore[method-assign]


def lease_without_fence() -> None:
    """Whoever once held a lease writes on: nobody asks whether it is theirs any more."""

    def unfenced(unit: Any, _tokens: Any, _about: Any) -> Any:
        return unit

    for module in (store_module, deliver):
        module.fenced = unfenced  # type: ignore[attr-defined]
    Shards.mask = property(lambda self: self._owned)  # type: ignore[assignment,method-assign]


BUGS: Final[dict[str, Callable[[], None]]] = {
    "ack-before-commit": ack_before_commit,
    "send-before-log": send_before_log,
    "two-decisions": two_decisions,
    "forked-checkpoint": forked_checkpoint,
    "redis-as-truth": redis_as_truth,
    "lease-without-fence": lease_without_fence,
}


def main() -> None:
    """Put the bug in and run the gateway's own command line."""
    bugs, *words = sys.argv[1:]
    for bug in bugs.split(","):
        BUGS[bug]()
    sys.argv = ["throughgate", *words]
    from gateway.cli import main as run

    run()


if __name__ == "__main__":
    main()
