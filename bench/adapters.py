"""Conversion: how fast each adapter reads a file of its own examples, and in how much memory.

`python -m bench adapters [--full] [NAME...]` measures this alone; --full takes 100 MB for each.
The file repeats the golden examples with other persons' numbers in them. Each adapter is measured
in a process of its own, which reads the file in pieces as a feed or `adapters convert` does.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from adapters.contract import Adapter, Inbound, Split
from adapters.registry import find_adapters
from adapters.table import read_mapping, table_adapter
from bench.problem import NotMeasured
from gateway.model.problem import MalformedEvent

EXAMPLES: Final = Path(__file__).parents[1] / "docs" / "examples" / "adapters"
MEGABYTE: Final = 1_000_000
PIECE: Final = 256 * 1024
SOURCE: Final = "urn:example:bench"
_NUMBER: Final = re.compile(rb"\bZ([0-9]{4})ZZ\b|\bX([0-9]{6})\b")  # NOMS and CRN
_DECLARATION: Final = re.compile(rb"^<\?xml[^>]*\?>\s*")
_LENGTH: Final = 4  # bytes before each message, where a file holds only one

Join = Callable[[Iterable[bytes]], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    megabytes: float = 5
    names: tuple[str, ...] = ()  # none: every adapter that has examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of one adapter."""

    events: int
    bytes: int
    seconds: float
    early_mb: float  # the most memory held by the time a tenth of the file was read
    peak_mb: float  # by its end
    streamed: bool  # False: a file of this format is one message, so each was read by itself


def measure(plan: Plan) -> Mapping[str, Figures]:
    """Measure each adapter in turn.

    Raises:
        NotMeasured: a file gave another number of events than its examples do.
    """
    readers = {
        name: one for name, one in _readers().items() if not plan.names or name in plan.names
    }
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        return {
            name: _measured(name, adapter, plan, Path(folder) / name)
            for name, adapter in readers.items()
        }


def lines(measured: Mapping[str, Figures]) -> Iterator[str]:
    """Yield one `name: value` line per figure, ratios last."""
    for name, one in measured.items():
        yield f"adapters_{name}_events_per_s: {one.events / one.seconds:.0f}"
        yield f"adapters_{name}_mb_per_s: {one.bytes / MEGABYTE / one.seconds:.2f}"
        yield f"adapters_{name}_peak_mb: {one.peak_mb:.0f}"
    for name, one in measured.items():
        if one.streamed:
            yield f"adapters_{name}_peak_over_early: {one.peak_mb / one.early_mb:.3f}"


def _readers() -> dict[str, Adapter]:
    """Return every adapter that reads and has examples; a table by its worked mapping."""
    mapping = (EXAMPLES / "table" / "supported_housing.toml").read_text("utf-8")
    found = {**find_adapters(), "table": table_adapter(read_mapping(mapping))}
    return {name: one for name, one in sorted(found.items()) if one.inbound and any(_inputs(name))}


def _inputs(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((EXAMPLES / name).glob("*.in.*"))]


def _measured(name: str, adapter: Adapter, plan: Plan, file: Path) -> Figures:
    inbound = _inbound(adapter)
    messages, join = _chosen(inbound, _inputs(name))
    passes = _write(file, messages, join or prefixed, plan.megabytes)
    command = [sys.executable, "-m", "bench.adapters", "--one", name, file]
    command += ["streamed" if join else "apart"]
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    if done.returncode:
        raise NotMeasured(f"{name}: the process ended with {done.returncode}")
    figures = Figures(**json.loads(done.stdout))
    file.unlink()
    expected = passes * sum(_events(inbound, message) for message in messages)
    if figures.events != expected:
        raise NotMeasured(f"{name}: {figures.events} events, not {expected}")
    return figures


def _chosen(inbound: Inbound, bodies: Sequence[bytes]) -> tuple[list[bytes], Join | None]:
    """Return as many examples as stand together in one file; all of them, if no two do.

    An adapter may read several forms (JSON and CSV, say); a file is in one.
    """
    cut = [list(inbound.split((body,))) for body in bodies]
    best: tuple[list[bytes], Join | None] = ([], None)
    for join in JOINS:
        together: list[bytes] = []
        for messages in cut:
            if holds(inbound.split, join, [*together, *messages]):
                together += messages
        if len(together) > len(best[0]):
            best = (together, join)
    return best if best[0] else ([one for messages in cut for one in messages], None)


def _inbound(adapter: Adapter) -> Inbound:
    if adapter.inbound is None:
        raise NotMeasured(f"{adapter.name} reads nothing")
    return adapter.inbound


def _events(inbound: Inbound, message: bytes) -> int:
    """Return how many events a message is; none where it is refused or passed over."""
    try:
        return len(inbound.translate(message, SOURCE).events)
    except MalformedEvent:
        return 0


def holds(split: Split, join: Join, messages: Sequence[bytes]) -> bool:
    """Say whether messages put into one file so are those the format's own split takes out."""
    twice = [*messages, *messages]
    try:
        return list(split(join(twice))) == twice
    except (MalformedEvent, ValueError):
        return False


def _in_lines(messages: Iterable[bytes]) -> Iterator[bytes]:
    yield from (message + b"\n" for message in messages)


def _under_a_heading(messages: Iterable[bytes]) -> Iterator[bytes]:
    written = b""
    for message in messages:
        heading, _, row = message.partition(b"\r\n")
        if not written:
            written = heading
            yield heading + b"\r\n"
        if heading != written:
            raise ValueError("rows under two headings")
        yield row


def _in_one_element(messages: Iterable[bytes]) -> Iterator[bytes]:
    yield b"<bench>"
    yield from (_DECLARATION.sub(b"", message) for message in messages)
    yield b"</bench>"


JOINS: Final[tuple[Join, ...]] = (_in_lines, _under_a_heading, _in_one_element)


def prefixed(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each message after its length."""
    yield from (len(message).to_bytes(_LENGTH, "big") + message for message in messages)


def _write(file: Path, messages: Sequence[bytes], join: Join, megabytes: float) -> int:
    """Write whole passes of the messages, of other persons each, until the file is so long."""
    passes = 0
    with file.open("wb") as out:

        def all_of_them() -> Iterator[bytes]:
            nonlocal passes
            while out.tell() < megabytes * MEGABYTE:
                yield from (of_another(message, passes) for message in messages)
                passes += 1

        for piece in join(all_of_them()):
            out.write(piece)
    return passes


def of_another(message: bytes, number: int) -> bytes:
    """Return a message with other persons' numbers in it; persons who differ still do."""

    def moved(match: re.Match[bytes]) -> bytes:
        noms, crn = match.groups()
        if noms:
            return b"Z%04dZZ" % ((int(noms) + number) % 10_000)
        return b"X%06d" % ((int(crn) + number) % 1_000_000)

    return _NUMBER.sub(moved, message)


def convert(adapter: Adapter, file: Path, *, streamed: bool) -> Figures:
    """Read a file to its end, and say what that took."""
    inbound = _inbound(adapter)
    size = file.stat().st_size
    early: list[float] = []
    start = time.perf_counter()
    with file.open("rb") as stream:

        def pieces() -> Iterator[bytes]:
            while piece := stream.read(PIECE):
                if not early and stream.tell() > size / 10:
                    early.append(_memory_mb())
                yield piece

        def apart() -> Iterator[bytes]:
            while length := stream.read(_LENGTH):
                body = stream.read(int.from_bytes(length, "big"))
                yield from inbound.split((body,))

        messages = inbound.split(pieces()) if streamed else apart()
        events = sum(_events(inbound, message) for message in messages)
    seconds = time.perf_counter() - start
    return Figures(
        events=events,
        bytes=size,
        seconds=seconds,
        early_mb=early[0] if early else _memory_mb(),
        peak_mb=_memory_mb(),
        streamed=streamed,
    )


def _memory_mb() -> float:
    """Return the most memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts what the parent held before the exec too
        found = re.search(r"^VmHWM:\s+([0-9]+) kB$", status.read_text("ascii"), re.MULTILINE)
        if found:
            return int(found[1]) * 1024 / MEGABYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


def main(words: Sequence[str]) -> int:
    if words[:1] == ["--one"]:
        _, name, file, how = words
        figures = convert(_readers()[name], Path(file), streamed=how == "streamed")
        print(json.dumps(asdict(figures)))
        return 0
    names = tuple(word for word in words if word != "--full")
    try:
        plan = Plan(megabytes=100, names=names) if "--full" in words else Plan(names=names)
        print("\n".join(lines(measure(plan))))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
