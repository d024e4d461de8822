"""What a scrape is answered with: every worker's counts, and the gauges of the whole gateway.

Workers share one socket, so a scrape reaches any one of them. Each keeps its counts in a small file
beside the database; whoever is asked writes its own anew and reads the others'. A reader so never
sees a count fall but where a worker was started again.
Source: docs/decisions/0028-metrics-of-several-workers.md.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.metrics import REGISTRY

KEPT_EVERY_S: Final = 2.0
GONE_AFTER: Final = timedelta(seconds=30)  # a worker that has not written for so long is not there

# Name, help, type, and samples of (name, labels, value), as kept in a file.
_Family: TypeAlias = tuple[str, str, str, list[tuple[str, dict[str, str], float]]]

WORKERS: Final = "throughgate_workers"
WORKERS_UP: Final = "throughgate_workers_up"
DESCRIBED: Final = {
    WORKERS: "Workers that this gateway was started with",
    WORKERS_UP: "Workers that have given their counts in the last 30 s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposition:
    """One worker's view of all. With a single worker nothing is ever written."""

    folder: Path  # of the workers' files
    slot: int
    slots: int
    now: Callable[[], datetime]  # the wall clock that files are stamped by
    registry: CollectorRegistry = REGISTRY

    async def run(self) -> None:
        """Keep this worker's file fresh until cancelled; then take it away."""
        try:
            while True:
                self._keep()
                await asyncio.sleep(KEPT_EVERY_S)
        finally:
            with suppress(OSError):
                self._file(self.slot).unlink()

    def text(self, gauges: Sequence[Metric]) -> bytes:
        """Return the exposition: `gauges`, and what every worker counts. Writes the own file."""
        if self.slots == 1:
            counted = list(self.registry.collect())
            up = 1
        else:
            self._keep()
            found = {slot: self._read(slot) for slot in range(self.slots)}
            found[self.slot] = _snapshot(self.registry)
            up = sum(families is not None for families in found.values())
            counted = _together(found)
        return generate_latest(_Shown([*counted, *gauges, *self._workers(up)]))

    def _workers(self, up: int) -> Iterator[Metric]:
        for name, value in ((WORKERS, self.slots), (WORKERS_UP, up)):
            yield GaugeMetricFamily(name, DESCRIBED[name], value=value)

    def _file(self, slot: int) -> Path:
        return self.folder / f"worker-{slot}.json"

    def _keep(self) -> None:
        """Write the own counts, whole or not at all. Without room the others' view grows old."""
        draft = self.folder / f".worker-{self.slot}"
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            draft.write_bytes(orjson.dumps(_snapshot(self.registry)))
            draft.replace(self._file(self.slot))

    def _read(self, slot: int) -> list[_Family] | None:
        """Return what another worker wrote lately, or None."""
        try:
            with self._file(slot).open("rb") as file:
                age = self.now().timestamp() - os.fstat(file.fileno()).st_mtime
                content = file.read()
        except OSError:
            return None
        if age > GONE_AFTER.total_seconds():
            return None
        kept: list[_Family] = orjson.loads(content)  # renamed into place: never half of one
        return kept


class _Shown(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        """Return the families, as `generate_latest` asks for them."""
        return self._families


def _snapshot(registry: CollectorRegistry) -> list[_Family]:
    return [
        (
            family.name,
            family.documentation,
            family.type,
            [(one.name, one.labels, one.value) for one in family.samples],
        )
        for family in registry.collect()
    ]


def _together(found: dict[int, list[_Family] | None]) -> list[Metric]:
    """Return each family once, every sample under the worker it is of."""
    families: dict[str, Metric] = {}
    for slot, kept in sorted(found.items()):
        for name, text, kind, samples in kept or ():
            family = families.setdefault(name, Metric(name, text, kind))
            for sample, labels, value in samples:
                family.add_sample(sample, {**labels, "worker": str(slot)}, value)
    return list(families.values())
