"""The one writer: requests that arrive together share one transaction, one checkpoint, one fsync.

Invariants:
1. A future resolves only after COMMIT returned: what it reports is durable.
2. Entries, the tree head, the signed checkpoint and the outbox rows that carry its proofs commit
   together or not at all; a checkpoint is signed inside that transaction and shown to nobody
   before it commits, so two inconsistent checkpoints are never published.
3. A failed commit for want of space fails its requests and nothing else; any other I/O error is
   fatal: after a failed fsync the kernel's pages can no longer be trusted.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import apsw

from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint
from gateway.disclosure_log.merkle import EMPTY_ROOT, leaf_hash
from gateway.disclosure_log.proof import render
from gateway.disclosure_log.tree import Tree
from gateway.store.log_tree import check_head, restore_tree
from gateway.store.sqlite import StoreUnavailable
from keys.problem import KeyProblem
from keys.providers.problem import ProviderProblem

T = TypeVar("T")

MAX_BATCH = 512

Proofs = Callable[[int], str]  # leaf index -> tlog-proof text against this commit's checkpoint


@dataclass(frozen=True, slots=True)
class Staged(Generic[T]):
    """What one unit of work did: its answer, the entries to log, and rows that need the proofs."""

    result: T
    entries: Sequence[bytes] = ()
    finish: Callable[[apsw.Connection, int, Proofs], None] | None = None  # first index, proofs


Unit = Callable[[apsw.Connection], Staged[T]]


@dataclass(slots=True)
class _Job:
    unit: Unit[Any]
    future: asyncio.Future[Any]
    staged: Staged[Any] | None = None
    error: BaseException | None = None
    first_index: int = field(default=-1)


class GroupCommit:
    """The writer thread. Owns the write connection and the tree; nothing else touches either."""

    def __init__(
        self, connection: apsw.Connection, key: LogKey, *, on_fatal: Callable[[str], None]
    ) -> None:
        self._connection = connection
        self._key = key
        self._on_fatal = on_fatal
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        check_head(connection, key.verifier_key)
        self._tree = restore_tree(connection)
        self._loop = asyncio.get_running_loop()
        self._poisoned = False
        self._closed = False
        self._running: _Job | None = None  # whose unit runs now
        self.directory_marker: str | None = None  # as of the newest transaction
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T]) -> asyncio.Future[T]:
        """Queue a unit of work; the future resolves with its result once it is durable.

        Raises (through the future):
            StoreUnavailable: no space, or the store was given up after an I/O error.
            Anything the unit raised; its own changes are rolled back, its neighbours' are not.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        if self._poisoned or self._closed:
            code = "poisoned" if self._poisoned else "closed"
            future.set_exception(StoreUnavailable(code, "the store takes no more; restart"))
            return future
        self._queue.put(_Job(unit, future))
        return future

    async def close(self) -> None:
        """Commit what is queued, then close the connection."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            batch = [job]
            closing = False
            while len(batch) < MAX_BATCH:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    closing = True
                    break
                batch.append(following)
            self._commit(batch)
            self._loop.call_soon_threadsafe(_resolve, batch)
            if closing:
                return

    def _commit(self, batch: list[_Job]) -> None:
        if self._poisoned:
            _fail(batch, StoreUnavailable("poisoned", "the store failed; restart"))
            return
        try:
            sound = batch
            while sound and not self._transact(sound):
                sound = [job for job in sound if job.error is None]
        except KeyProblem as error:  # the log's key, wherever it lives; nothing was committed
            self._roll_back()
            _fail(batch, _keyless(), error)
        except (apsw.FullError, apsw.BusyError, apsw.LockedError) as error:
            self._roll_back()
            code = "no-space" if isinstance(error, apsw.FullError) else "busy"
            _fail(batch, StoreUnavailable(code, "the store cannot write now"), error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the state on disk is unknown
            self._poisoned = True
            self._roll_back()
            _fail(batch, StoreUnavailable("poisoned", "the store failed; restart"), error)
            self._on_fatal(type(error).__name__)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _transact(self, batch: list[_Job]) -> bool:
        """Run a batch in one transaction; return False, with nothing done, if a unit failed.

        Running the rest again is rare; a savepoint around every unit would cost all of them.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        self._catch_up()
        try:
            for job in batch:
                self._running = job
                job.staged = job.unit(self._connection)
            self._running = None
            tree = self._append(batch)
        except Exception as error:
            failed = self._running
            own = isinstance(error, apsw.ConstraintError) or not isinstance(error, apsw.Error)
            if failed is None or not own:
                raise  # the store's own trouble: the whole batch fails, loudly
            away = isinstance(error, ProviderProblem)
            failed.error = _keyless() if away else error
            failed.staged = None  # its neighbours need not suffer
            self._roll_back()
            return False
        self._connection.execute("COMMIT")
        self._tree = tree
        return True

    def _append(self, batch: list[_Job]) -> Tree:
        """Place every entry, sign the new head, and let units write the rows that carry proofs."""
        bodies: list[bytes] = []
        for job in batch:
            if job.staged is not None:
                job.first_index = self._tree.size + len(bodies)
                bodies.extend(job.staged.entries)
        if not bodies:
            return self._tree
        tree = self._tree.fork()
        leaves = [leaf_hash(body) for body in bodies]
        first = tree.size
        for leaf in leaves:
            tree.append(leaf)
        root = tree.root()
        note = sign_checkpoint(self._key, size=tree.size, root=root)
        self._write_log(tree, first, leaves, bodies, root, note)

        def proofs(index: int) -> str:
            return render(index=index, path=tree.inclusion_path(index), checkpoint=note)

        for job in batch:
            if job.staged is not None and job.staged.finish is not None:
                self._running = job
                job.staged.finish(self._connection, job.first_index, proofs)
        self._running = None
        return tree

    def _write_log(
        self,
        tree: Tree,
        first: int,
        leaves: list[bytes],
        bodies: list[bytes],
        root: bytes,
        note: str,
    ) -> None:
        connection = self._connection
        connection.executemany(
            "INSERT INTO log_entry (idx, leaf, body) VALUES (?, ?, ?)",
            [(first + i, leaves[i], bodies[i]) for i in range(len(bodies))],
        )
        if tiles := tree.take_full_tiles():
            connection.executemany(
                "INSERT INTO log_tile (level, idx, hashes) VALUES (?, ?, ?)", tiles
            )
        connection.execute(
            "INSERT INTO log_checkpoint (size, note) VALUES (?, ?)", (tree.size, note)
        )
        connection.execute(
            "INSERT INTO log_head (id, size, root) VALUES (1, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET size = excluded.size, root = excluded.root",
            (tree.size, root),
        )

    def _catch_up(self) -> None:
        """Take in what other workers appended since; the lock is held, so this head is the head."""
        size, root, self.directory_marker = self._connection.execute(_HEAD).get
        if size is None:
            size, root = 0, EMPTY_ROOT
        if size != self._tree.size:
            tree = self._tree.fork()
            rows = self._connection.execute(
                "SELECT leaf FROM log_entry WHERE idx >= ? ORDER BY idx", (tree.size,)
            )
            for (leaf,) in rows:
                tree.append(leaf)
            tree.take_full_tiles()  # the worker that appended them wrote them
            self._tree = tree
        if self._tree.size != size or self._tree.root() != root:
            raise StoreUnavailable("log-corrupt", "the stored log does not give its stored root")


# One statement: the head, and whether the directory has changed since.
_HEAD = (
    "SELECT (SELECT size FROM log_head), (SELECT root FROM log_head),"
    " (SELECT value FROM setting WHERE name = 'directory')"
)


def _keyless() -> StoreUnavailable:
    return StoreUnavailable("keys", "where a key of the gateway's own lives cannot be used now")


def _fail(batch: list[_Job], error: StoreUnavailable, cause: BaseException | None = None) -> None:
    error.__cause__ = cause
    for job in batch:
        job.staged, job.error = None, error


def _resolve(batch: list[_Job]) -> None:
    for job in batch:
        if job.future.done():  # the caller went away; what was committed stays committed
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        elif job.staged is not None:
            job.future.set_result(job.staged.result)
