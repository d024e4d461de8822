"""The one writer: requests that arrive together share one transaction, one checkpoint, one fsync.

Invariants:
1. A future resolves only after COMMIT returned: what it reports is durable.
2. Entries, the tree head, the signed checkpoint and the outbox rows that carry its proofs commit
   together or not at all; a checkpoint is signed inside that transaction and shown to nobody
   before it commits, so two inconsistent checkpoints are never published.
3. While the log is behind what was published of it, nothing is signed and nothing is done: see
   `gateway.store.epoch`. Every commit of every process meets that here.
4. A failed commit for want of space or of a server fails its requests and nothing else; any other
   I/O error is fatal: after a failed fsync the kernel's pages can no longer be trusted. Whether
   one took place whose server was lost is settled first (`gateway.store.postgres.writing`).
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.proof import render
from gateway.disclosure_log.tree import Tree
from gateway.metrics import CHECKPOINT_AT, COMMIT_BATCH, COMMIT_SECONDS, STORE_REFUSALS
from gateway.store import epoch
from gateway.store.engine import Connection, RuleBroken
from gateway.store.epoch import Marks
from gateway.store.log_tree import check_head, restore_tree
from gateway.store.sqlite import StoreUnavailable
from gateway.store.trouble import is_own, passing, settle
from gateway.store.turns import ALONE, Turn
from keys.problem import KeyProblem
from keys.providers.problem import ProviderProblem

T = TypeVar("T")

MAX_BATCH = 512
REFUSED_FOR_S = 30.0  # a refusal says something of the store for so long

LogKeys = Callable[[], Sequence[LogKey]]  # every key there is now, the newest first
OnFatal = Callable[[str], None]
Proofs = Callable[[int], str]  # leaf index -> tlog-proof text against this commit's checkpoint


@dataclass(frozen=True, slots=True)
class Staged(Generic[T]):
    """What one unit of work did: its answer, the entries to log, and rows that need the proofs."""

    result: T
    entries: Sequence[bytes] = ()
    finish: Callable[[Connection, int, Proofs], None] | None = None  # first index, proofs
    while_behind: bool = False  # logs nothing and tells nobody: done even while the log is behind


Unit = Callable[[Connection], Staged[T]]


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
        self, connection: Connection, keys: LogKeys, *, on_fatal: OnFatal, turn: Turn = ALONE
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._keys = keys
        self._on_fatal = on_fatal
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._marks = epoch.marks_of(connection)
        self._signers = epoch.signing(keys(), self._marks)
        if self._marks.behind is None:
            check_head(connection, [key.verifier_key for key in self._signers])
        self._tree = restore_tree(connection)
        self._loop = asyncio.get_running_loop()
        self._poisoned = False
        self._refused: tuple[str, float] | None = None  # code of the newest refusal, and when
        self._closed = False
        self._running: _Job | None = None  # whose unit runs now
        self.directory_marker: str | None = None  # as of the newest transaction
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    @property
    def signers(self) -> tuple[LogKey, ...]:
        """The keys the newest checkpoint of this writer was signed with."""
        return self._signers

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

    @property
    def refused(self) -> str | None:
        """Why the store took nothing when it was last asked, lately; None: it takes work."""
        found = self._refused
        if found is None or (not self._poisoned and time.monotonic() - found[1] > REFUSED_FOR_S):
            return None
        return found[0]

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
            while len(batch) < MAX_BATCH and not self._queue.empty():  # nobody else takes from it
                following = self._queue.get()
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
        began = time.perf_counter()
        try:
            sound = batch
            while sound and not self._transact(sound):
                sound = [job for job in sound if job.error is None]
            if sound:
                self._refused = None
                COMMIT_SECONDS.observe(time.perf_counter() - began)
                COMMIT_BATCH.observe(len(sound))
        except KeyProblem as error:  # the log's key, wherever it lives; nothing was committed
            self._roll_back()
            self._refuse(batch, _keyless(), error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the state on disk is unknown
            code = passing(error)
            self._poisoned = code is None
            self._roll_back()
            if code is not None:
                self._refuse(batch, StoreUnavailable(code, "the store cannot write now"), error)
                return
            self._refuse(batch, StoreUnavailable("poisoned", "the store failed; restart"), error)
            self._on_fatal(type(error).__name__)

    def _refuse(self, batch: list[_Job], error: StoreUnavailable, cause: BaseException) -> None:
        self._refused = error.code, time.monotonic()
        STORE_REFUSALS.labels(error.code).inc()
        _fail(batch, error, cause)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _transact(self, batch: list[_Job]) -> bool:
        """Run a batch in one transaction; return False, with nothing done, if a unit failed.

        Running the rest again is rare; a savepoint around every unit would cost all of them.
        """
        try:
            return self._transact_once(batch, exactly=False)
        except RuleBroken:  # sent with others, it may be any unit's: find out whose
            self._roll_back()
            return self._transact_once(batch, exactly=True)

    def _transact_once(self, batch: list[_Job], *, exactly: bool) -> bool:
        """Run a batch, as `_transact`; `exactly`: what a unit broke is raised as its own."""
        with self._turn():
            self._connection.execute("BEGIN IMMEDIATE")
        self._catch_up()
        try:
            for job in batch:
                self._running = job
                self._do(job)
                if exactly:
                    settle(self._connection)
            self._running = None
            tree = self._append(batch, exactly=exactly)
        except Exception as error:
            failed = self._running
            unsure = isinstance(error, RuleBroken) and not exactly
            if failed is None or unsure or not is_own(error):
                raise  # the store's own trouble: the whole batch fails, loudly
            away = isinstance(error, ProviderProblem)
            failed.error = _keyless() if away else error
            failed.staged = None  # its neighbours need not suffer
            self._roll_back()
            return False
        self._connection.execute("COMMIT")
        if tree is not self._tree:
            CHECKPOINT_AT.set_to_current_time()
        self._tree = tree
        return True

    def _do(self, job: _Job) -> None:
        """Run a unit; while the log is behind, look at what it did."""
        if self._marks.behind is None:
            job.staged = job.unit(self._connection)
            return
        before = self._connection.total_changes()
        job.staged = job.unit(self._connection)
        self._hold_back(job, job.staged, changed=self._connection.total_changes() > before)

    def _hold_back(self, job: _Job, staged: Staged[Any], *, changed: bool) -> None:
        """Keep what a unit logged for later, or undo it; let the one pass that ends the waiting."""
        marks = epoch.marks_of(self._connection)
        if marks.behind is None:  # this unit acknowledged the gap
            epoch.set_signers(self._connection, [key.verifier_key.public for key in self._signers])
            self._heed(epoch.marks_of(self._connection))
        if marks.behind is None or staged.while_behind:
            return
        if staged.finish is not None or (changed and not staged.entries):
            raise StoreUnavailable("log-behind", epoch.BEHIND_TEXT)
        epoch.owe(self._connection, staged.entries)
        job.staged = replace(staged, entries=())

    def _append(self, batch: list[_Job], *, exactly: bool) -> Tree:
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
        self._heed(epoch.marks_of(self._connection))  # a unit may have changed who signs
        note = sign_checkpoint(*self._signers, size=tree.size, root=root)
        self._write_log(tree, first, leaves, bodies, root, note)
        if exactly:
            settle(self._connection)

        def proofs(index: int) -> str:
            return render(index=index, path=tree.inclusion_path(index), checkpoint=note)

        for job in batch:
            if job.staged is not None and job.staged.finish is not None:
                self._running = job
                job.staged.finish(self._connection, job.first_index, proofs)
                if exactly:
                    settle(self._connection)
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
        self._heed(epoch.marks_of(self._connection))
        self.directory_marker = self._marks.directory
        size, root = self._marks.size, self._marks.root
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

    def _heed(self, marks: Marks) -> None:
        """Sign with whatever keys, and under whatever origin, the log says now."""
        before, self._marks = self._marks, marks
        if (before.origin, before.signers) == (marks.origin, marks.signers):
            return
        try:
            self._signers = epoch.signing(self._keys(), marks)
        except KeyProblem:
            self._marks = before  # or the next commit would not look for them again
            raise


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
