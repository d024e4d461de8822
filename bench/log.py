"""The disclosure log as it grows: appending, proving, searching, checking it whole, starting up.

One process, the real writer, fsync as the gateway has it. `python -m bench log` measures this
alone, up to 10^6 entries; `python -m bench log 10000 100000` at sizes of your own.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Final

from bench.problem import NotMeasured
from gateway.disclosure_log import entry, proof
from gateway.disclosure_log.checkpoint import LogKey
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.sources import DirectorySource
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.store import sqlite
from gateway.store.group_commit import Staged
from gateway.store.log_tree import restore_tree
from gateway.store.store import Store
from keys.at_rest import RootKey

ORIGIN: Final = "log.example.org/bench"
AT: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PERSONS: Final = 5_000  # entries about one person grow with the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    batch: int = 512  # entries in one commit: one checkpoint, one fsync
    window: int = 5_120  # the last entries before each size: appending is timed over these
    proofs: int = 200
    searches: int = 100
    checked: int = 1_000_000  # the largest log that is checked whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it, at one size."""

    append_per_s: float
    append_cpu_us: float  # processor time an entry: steadier when others use the machine
    proof_us: float  # median: a path made from stored tiles, and the proof verified
    search_p95_ms: float  # one page about one person
    check_s: float | None  # the whole log, every checkpoint
    start_ms: float  # opening the writer: the tree restored, the head checked


def measure(plan: Plan) -> Mapping[int, Figures]:
    """Measure.

    Raises:
        NotMeasured: a proof does not hold, a search misses, or the log does not add up.
    """
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        return asyncio.run(_measure(plan, Path(folder)))


def lines(found: Mapping[int, Figures]) -> Iterator[str]:
    """Yield one `name: value` line per figure, ratios last."""
    for size, one in found.items():
        yield f"log_append_{size}_per_s: {one.append_per_s:.0f}"
        yield f"log_append_{size}_cpu_us: {one.append_cpu_us:.1f}"
        yield f"log_proof_{size}_us: {one.proof_us:.0f}"
        yield f"log_search_{size}_p95_ms: {one.search_p95_ms:.2f}"
        if one.check_s is not None:
            yield f"log_check_{size}_s: {one.check_s:.2f}"
        yield f"log_start_{size}_ms: {one.start_ms:.1f}"
    for (small, before), (large, after) in pairwise(found.items()):
        ratio = after.append_cpu_us / before.append_cpu_us
        yield f"log_append_cost_{large}_over_{small}: {ratio:.2f}"
        yield f"log_proof_cost_{large}_over_{small}: {after.proof_us / before.proof_us:.2f}"
        ratio = after.search_p95_ms / before.search_p95_ms
        yield f"log_search_cost_{large}_over_{small}: {ratio:.2f}"


async def _measure(plan: Plan, folder: Path) -> Mapping[int, Figures]:
    path = folder / "throughgate.db"
    sqlite.create(path)
    key = LogKey.generate(ORIGIN)
    (folder / "log.vkey").write_text(key.verifier + "\n")
    found: dict[int, Figures] = {}
    for size in plan.sizes:
        async with _opened(path, key) as store:
            rate, cpu_us = await _grow(store, plan, size)
            await _index(store)
            proof_us = _proofs(store, key, plan, size)
            search_ms = _searches(store, plan, size)
        start_ms = await _start(path, key)
        check_s = _check(folder, key, size) if size <= plan.checked else None
        found[size] = Figures(
            append_per_s=rate,
            append_cpu_us=cpu_us,
            proof_us=proof_us,
            search_p95_ms=search_ms,
            check_s=check_s,
            start_ms=start_ms,
        )
    return found


@asynccontextmanager
async def _opened(path: Path, key: LogKey) -> AsyncIterator[Store]:
    kek = RootKey(bytes(range(32)))
    fatal: list[str] = []
    store = await Store.open(
        path, key_encryption_key=kek, log_key=key, on_fatal=fatal.append, slot=1, slots=2
    )
    try:
        yield store
    finally:
        await store.close()
    if fatal:
        raise NotMeasured("the store failed")


def person_of(number: int) -> PersonRef:
    return PersonRef(f"per_{number % PERSONS:05}")


def entry_of(number: int) -> bytes:
    """Return an entry of an ordinary size: a consultation, which names a person and a reader."""
    return entry.question(
        at=AT + timedelta(seconds=number),
        what="console.disclosures",
        reader=f"dpo-{number % 20:02}",
        person=person_of(number),
        recipient=RecipientId(f"recipient-{number % 300}"),
        agency=AgencyName(f"agency-{number % 40}"),
        shown=number % 50,
    ).encode()


async def _grow(store: Store, plan: Plan, size: int) -> tuple[float, float]:
    """Append up to a size; return entries a second, and processor time an entry in microseconds,
    over the last window."""
    row = store.reader.execute("SELECT size FROM log_head").fetchone()
    number = row[0] if row else 0
    spent: list[tuple[float, float]] = []
    while number < size:
        count = min(plan.batch, size - number)
        bodies = [entry_of(one) for one in range(number, number + count)]
        start, used = time.perf_counter(), time.process_time()
        await store.commit(lambda _connection, bodies=bodies: Staged(None, bodies))  # type: ignore[misc]
        if number + count > size - plan.window:
            took = (time.perf_counter() - start) / count
            spent.append((took, (time.process_time() - used) / count))
        number += count
    return 1 / median(took for took, _ in spent), 1e6 * median(cpu for _, cpu in spent)


async def _index(store: Store) -> None:
    from gateway.store.log_index import catch_up

    while await store.commit(catch_up(5_000)):
        pass


def _proofs(store: Store, key: LogKey, plan: Plan, size: int) -> float:
    note = store.latest_checkpoint() or ""
    tree = restore_tree(store.reader)
    rng, spent = Random(size), []
    for _ in range(plan.proofs):
        index = rng.randrange(size)
        body = store.reader.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).get
        start = time.perf_counter()
        text = proof.render(index=index, path=tree.inclusion_path(index), checkpoint=note)
        proven = proof.verify(text, entry=body, verifiers=[key.verifier_key])
        spent.append(time.perf_counter() - start)
        if proven.index != index:
            raise NotMeasured("a proof is of another entry")
    return 1e6 * median(spent)


def _searches(store: Store, plan: Plan, size: int) -> float:
    from gateway.store.log_index import Query, search

    rng, spent = Random(size), []
    for _ in range(plan.searches):
        person = person_of(rng.randrange(min(size, PERSONS)))
        start = time.perf_counter()
        found = search(store.reader, Query(terms=(("person", person),)), after=None, limit=20)
        spent.append(time.perf_counter() - start)
        if not found.entries or any(one["person"] != person for _, one in found.entries):
            raise NotMeasured("a search missed")
    return 1e3 * quantiles(spent, n=20)[-1]


async def _start(path: Path, key: LogKey) -> float:
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        async with _opened(path, key):
            spent.append(time.perf_counter() - start)
    return 1e3 * median(spent)


def _check(folder: Path, key: LogKey, size: int) -> float:
    source = DirectorySource(folder)
    start = time.perf_counter()
    try:
        report = check_log(source, verifier=key.verifier_key)
    finally:
        source.close()
    if report.verdict != "ok" or report.size != size:
        raise NotMeasured("the log does not add up")
    return time.perf_counter() - start


def main(words: Sequence[str]) -> int:
    plan = Plan(sizes=tuple(int(word) for word in words)) if words else Plan()
    try:
        print("\n".join(lines(measure(plan))))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
