"""What the gateway promised, checked from outside: three histories in, broken promises out.

Shares no code with the gateway. It is told what the producer sent and was answered, what the
receiver was sent, and the log as dumped at the end, after everything drained; it believes none
of them alone. Promises are named as in the README's table (P1 to P10).
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.disclosure_log.independent import includes, read_proof

FINAL = frozenset({"accepted", "rejected", "dead", "withheld"})

Answer = Literal["ok", "fail", "unknown"]
Told = tuple[str, str, str]  # event, recipient, endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One request as its sender knows it. `unknown`: sent, and no answer came back."""

    id: str  # the sender's own
    digest: str  # of the bytes sent
    answer: Answer
    receipt: str = ""
    events: tuple[str, ...] = ()
    count: int = 1  # events in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """One webhook as it came, opened by its receiver."""

    webhook_id: str
    body: bytes
    entry: bytes  # the log entry that came inside the sealed content
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDump:
    """The log as its operator hands it over."""

    vkey: str
    entries: tuple[bytes, ...]
    checkpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything anyone outside saw."""

    postings: tuple[Posting, ...]
    receptions: tuple[Reception, ...]
    log: LogDump
    seen: tuple[str, ...] = ()  # checkpoints somebody fetched on the way
    quarantined: frozenset[str] = frozenset()  # events set aside, which the log does not name


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One promise that did not hold."""

    promise: str
    code: str
    subject: str


def check(history: History) -> list[Broken]:
    """Return every broken promise; an empty list means all held. Pure."""
    log = _Log(history.log)
    return [
        *_answers(history.postings),
        *_accepted(history.postings, log),
        *_decided(log, history.quarantined),
        *_decided_once(log),
        *_delivered(history.receptions, log),
        *_logged_first(history.receptions, log),
        *_ids_fixed(history.receptions),
        *_one_log([*history.log.checkpoints, *history.seen, *_carried(history.receptions)], log),
    ]


class _Log:
    """The dump, read once."""

    def __init__(self, dump: LogDump) -> None:
        self.vkey = dump.vkey
        self.bodies = dump.entries
        self.leaves = [hashlib.sha256(b"\0" + body).digest() for body in dump.entries]
        self.collected: defaultdict[str, list[int]] = defaultdict(list)  # event -> indexes
        self.told: defaultdict[Told, list[str]] = defaultdict(list)  # -> alerts
        self.index_of: dict[str, int] = {}  # alert -> index of its first disclosure
        self.decided: set[str] = set()  # events
        self.attempts: defaultdict[str, list[str]] = defaultdict(list)  # alert -> outcomes
        for index, body in enumerate(dump.entries):
            self._read(index, json.loads(body))

    def _read(self, index: int, entry: Mapping[str, Any]) -> None:
        match entry["op"]:
            case "collection":
                self.collected[entry["event"]].append(index)
            case "disclosure":
                self.told[_said(entry), entry["recipient"], entry["endpoint"]].append(
                    entry["alert"]
                )
                self.index_of.setdefault(entry["alert"], index)
                self.decided.add(entry["event"])
            case "refusal":
                self.decided.add(entry["event"])
            case "alteration":
                self.decided.update((entry["event"], entry["corrects"]))
            case "attempt":
                self.attempts[entry["alert"]].append(entry["outcome"])


def _said(entry: Mapping[str, Any]) -> str:
    """Name what an alert says: an event, or that a later one revised it, which is said anew."""
    return f"{entry['event']} {entry['revised_by']}" if "revised_by" in entry else entry["event"]


def _answers(postings: Iterable[Posting]) -> Iterator[Broken]:
    """P3: the same id and bytes have one answer; other bytes under it have none."""
    answered: dict[str, Posting] = {}
    for one in postings:
        if one.answer != "ok":
            continue
        first = answered.setdefault(one.id, one)
        if first.digest != one.digest:
            yield Broken(promise="P3", code="other-bytes-accepted", subject=one.id)
        elif (first.receipt, first.events) != (one.receipt, one.events):
            yield Broken(promise="P3", code="two-answers", subject=one.id)


def _accepted(postings: Sequence[Posting], log: _Log) -> Iterator[Broken]:
    """P1: what was answered 202 is in the log. P2: once, and nothing else is."""
    promised = {event for one in postings if one.answer == "ok" for event in one.events}
    for event in promised - log.collected.keys():
        yield Broken(promise="P1", code="lost", subject=event)
    for event, indexes in log.collected.items():
        if len(indexes) > 1:
            yield Broken(promise="P2", code="collected-twice", subject=event)
    answered = {one.id for one in postings if one.answer == "ok"}
    silent = sum({one.id: one.count for one in postings if one.id not in answered}.values())
    strays = log.collected.keys() - promised
    if len(strays) > silent:
        yield Broken(promise="P2", code="stray-events", subject=str(len(strays) - silent))


def _decided(log: _Log, quarantined: frozenset[str]) -> Iterator[Broken]:
    """P4: every event was decided, or set aside for a human."""
    for event in log.collected.keys() - log.decided - quarantined:
        yield Broken(promise="P4", code="undecided", subject=event)


def _decided_once(log: _Log) -> Iterator[Broken]:
    """P3: one disclosure per event, recipient and endpoint; one alert per event and recipient."""
    alerts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for (event, recipient, _endpoint), found in log.told.items():
        alerts[event, recipient].update(found)
        if len(found) > 1:
            yield Broken(promise="P3", code="decided-twice", subject=event)
    for (event, _recipient), ids in alerts.items():
        if len(ids) > 1:
            yield Broken(promise="P5", code="two-alerts", subject=event)
        first = min(log.index_of[alert] for alert in ids)
        for named in event.split(" "):
            if not any(index < first for index in log.collected.get(named, ())):
                yield Broken(promise="P2", code="told-before-collected", subject=named)


def _delivered(receptions: Iterable[Reception], log: _Log) -> Iterator[Broken]:
    """P4: every alert arrived, or ended in a final state the log shows. P6: outcomes are kept."""
    arrived = {one.webhook_id for one in receptions}
    for alert in log.index_of:
        outcomes = log.attempts.get(alert, [])
        if not FINAL & set(outcomes):
            code = "outcome-not-logged" if alert in arrived else "undelivered"
            yield Broken(promise="P4", code=code, subject=alert)
        elif "accepted" in outcomes and alert not in arrived:
            yield Broken(promise="P4", code="falsely-accepted", subject=alert)
        # An alert withheld while it was on the wire has both outcomes, and both are true.
        final = [outcome for outcome in outcomes if outcome in FINAL]
        if len(final) > 1 and sorted(final) != ["accepted", "withheld"]:
            yield Broken(promise="P4", code="two-outcomes", subject=alert)


def _logged_first(receptions: Iterable[Reception], log: _Log) -> Iterator[Broken]:
    """P6: each alert's own entry is in the log, where the proof that came with it says."""
    for one in receptions:
        if one.webhook_id not in log.index_of:
            yield Broken(promise="P6", code="delivered-without-entry", subject=one.webhook_id)
            continue
        index, path, size, root = read_proof(one.proof)
        leaf = hashlib.sha256(b"\0" + one.entry).digest()
        if json.loads(one.entry)["alert"] != one.webhook_id:
            yield Broken(promise="P6", code="entry-of-another", subject=one.webhook_id)
        elif index >= len(log.bodies) or log.bodies[index] != one.entry:
            yield Broken(promise="P6", code="entry-not-at-index", subject=one.webhook_id)
        elif not includes(index, size, leaf, path, root):
            yield Broken(promise="P6", code="proof-does-not-hold", subject=one.webhook_id)


def _ids_fixed(receptions: Iterable[Reception]) -> Iterator[Broken]:
    """P5: repeats are the same bytes under the same id."""
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    alerts: defaultdict[Told, set[str]] = defaultdict(set)
    for one in receptions:
        entry = json.loads(one.entry)
        bodies[one.webhook_id].add(one.body)
        alerts[_said(entry), entry["recipient"], entry["endpoint"]].add(one.webhook_id)
    for alert, found in bodies.items():
        if len(found) > 1:
            yield Broken(promise="P5", code="body-changed", subject=alert)
    for (event, _recipient, _endpoint), ids in alerts.items():
        if len(ids) > 1:
            yield Broken(promise="P5", code="id-changed", subject=event)


def _carried(receptions: Iterable[Reception]) -> Iterator[str]:
    for one in receptions:
        yield one.proof.partition("\n\n")[2]


def _one_log(notes: Iterable[str], log: _Log) -> Iterator[Broken]:
    """P9, P10: every checkpoint anybody saw is signed, and a head this very log once had."""
    heads: dict[int, set[bytes]] = defaultdict(set)
    for note in set(notes):
        if not _signed(note, log.vkey):
            yield Broken(promise="P9", code="not-signed", subject=note.partition("\n")[0])
            continue
        _origin, size, root = note.split("\n")[:3]
        heads[int(size)].add(base64.b64decode(root))
    largest = max(heads, default=0)
    if largest < len(log.leaves):
        yield Broken(promise="P9", code="entries-unsigned", subject=str(largest))
    for size, root in _roots(log.leaves, heads):
        if heads.pop(size) != {root}:
            yield Broken(promise="P10", code="log-rewritten", subject=str(size))
    for size in sorted(heads):  # larger than the log that is left
        yield Broken(promise="P9", code="log-cut", subject=str(size))


def _roots(leaves: Iterable[bytes], sizes: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Yield the root at each of these sizes, holding only the roots of the full subtrees."""
    wanted = set(sizes)
    if 0 in wanted:
        yield 0, hashlib.sha256().digest()
    peaks: list[bytes] = []
    for index, leaf in enumerate(leaves):
        node, place = leaf, index
        while place & 1:
            node, place = _node(peaks.pop(), node), place >> 1
        peaks.append(node)
        if index + 1 in wanted:
            root = peaks[-1]
            for peak in reversed(peaks[:-1]):
                root = _node(peak, root)
            yield index + 1, root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _signed(note: str, vkey: str) -> bool:
    """Whether the key of a C2SP vkey (name+id+base64) signed the note, under its own origin."""
    name, _id, encoded = vkey.split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        if (dash, signer, text.split("\n")[0]) != ("—", name, name):
            continue
        try:
            public.verify(base64.b64decode(blob)[4:], f"{text}\n".encode())
        except InvalidSignature:
            return False
        return True
    return False
