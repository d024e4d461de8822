"""Whose word is enough: which logs, which witnesses, and how many of them have to agree.

A file of octets. Names are opaque: two that a reader takes for one are two.

Source: c2sp.org/tlog-policy. Pure.
"""

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from gateway.disclosure_log.checkpoint import VerifierKey, verify_checkpoint
from gateway.disclosure_log.cosignature import CosignerKey
from gateway.disclosure_log.note import NoteVerifier, open_note
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, LogProblem

MAX_POLICY_BYTES: Final = 1024 * 1024
NONE: Final = "none"  # the quorum that needs nobody; never the name of anything

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

LogVerifier = VerifierKey | CosignerKey


class BadPolicy(LogProblem):
    """The text is no trust policy; the message names the line, and never quotes it."""

    def __init__(self, code: str, line: int = 0) -> None:
        super().__init__(code)
        self.line = line  # from 1; 0: the whole file

    def __str__(self) -> str:
        """Return the code and where."""
        return f"{self.code}, line {self.line}" if self.line else self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """A log whose checkpoints count."""

    key: LogVerifier  # its name is the log's origin
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedWitness:
    """One key of a witness. One with two keys is two of these: put both in an ``any`` group."""

    name: str  # in this policy only
    key: CosignerKey
    url: str | None = None  # submission prefix (tlog-witness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members of which so many have to agree."""

    name: str
    threshold: int  # 1 to the number of members
    members: tuple[str, ...]  # witnesses, and groups before this one


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """A policy whose every name is defined and counts once."""

    logs: tuple[TrustedLog, ...]
    witnesses: tuple[TrustedWitness, ...]
    groups: tuple[Group, ...]
    quorum: str  # a witness, a group, or "none"

    @classmethod
    def parse(cls, text: str | bytes) -> "TrustPolicy":
        """Read a policy file.

        Raises:
            BadPolicy: not-allowed-octet, unterminated, too-long; or, of a line: keyword, items,
                key, duplicate, defined-twice, not-defined, member-twice, threshold, quorum-twice;
                or quorum-missing.
        """
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        if len(raw) > MAX_POLICY_BYTES:
            raise BadPolicy("too-long")
        if _FORBIDDEN.search(raw):
            raise BadPolicy("not-allowed-octet")
        # A file cut short could end in the name of something else that is defined.
        if raw and not raw.endswith(b"\n"):
            raise BadPolicy("unterminated")
        reading = _Reading()
        # Octet for octet: no two names become one by decoding.
        for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
            items = [item for item in re.split(r"[ \t]+", line) if item]
            if items and not items[0].startswith("#"):
                try:
                    reading.take(items)
                except BadKey:
                    raise BadPolicy("key", number) from None
                except BadPolicy as error:
                    raise BadPolicy(error.code, number) from None
        return reading.policy()

    def satisfied(self, note: str, *, log_keys: Sequence[NoteVerifier] = ()) -> bool:
        """Return whether a known log signed this checkpoint and enough witnesses cosigned it.

        One wrong signature by any known key spoils the note, as the note's own rules have it.

        Args:
            note: The signed checkpoint.
            log_keys: Logs known otherwise, besides those of the policy; with none at all, nothing
                satisfies.
        """
        logs: list[NoteVerifier] = [*(log.key for log in self.logs), *log_keys]
        try:
            verify_checkpoint(note, logs)
        except (BadCheckpoint, BadKey):
            return False
        return self.quorum_met(self.cosigned_by(note))

    def cosigned_by(self, note: str) -> frozenset[str]:
        """Return the names of the witnesses that cosigned; none if one of theirs is wrong.

        Says nothing of the log's own signature.
        """
        names = {witness.key: witness.name for witness in self.witnesses}
        try:
            _text, signers = open_note(note, tuple(names))
        except (BadCheckpoint, BadKey):
            return frozenset()
        return frozenset(names[key] for key in signers)

    def quorum_met(self, names: AbstractSet[str]) -> bool:
        """Return whether these witnesses are enough."""
        agreed = {witness.name for witness in self.witnesses if witness.name in names}
        for group in self.groups:  # members come before their group
            if sum(member in agreed for member in group.members) >= group.threshold:
                agreed.add(group.name)
        return self.quorum == NONE or self.quorum in agreed


@dataclass(slots=True)
class _Reading:
    """What the lines so far have defined."""

    logs: list[TrustedLog] = field(default_factory=list)
    witnesses: list[TrustedWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    defined: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)  # of any group

    def take(self, items: list[str]) -> None:
        """Read one line.

        Raises:
            BadPolicy, BadKey: it is none.
        """
        keyword, *rest = items
        reader = _LINES.get(keyword)
        if reader is None:
            raise BadPolicy("keyword")
        reader(self, rest)

    def log(self, rest: list[str]) -> None:
        vkey, url = _with_url(rest, 1)
        key = _log_key(vkey[0])
        if any(key.public == known.key.public for known in self.logs):
            raise BadPolicy("duplicate")
        self.logs.append(TrustedLog(key=key, url=url))

    def witness(self, rest: list[str]) -> None:
        (name, vkey), url = _with_url(rest, 2)
        key = CosignerKey.parse(vkey)
        if any(key.public == known.key.public for known in self.witnesses):
            raise BadPolicy("duplicate")
        self.define(name)
        self.witnesses.append(TrustedWitness(name=name, key=key, url=url))

    def group(self, rest: list[str]) -> None:
        if len(rest) < 3:
            raise BadPolicy("items")
        name, wanted, *members = rest
        for member in members:
            if member not in self.defined:
                raise BadPolicy("not-defined")
            if member in self.members:
                raise BadPolicy("member-twice")
            self.members.add(member)
        threshold = _threshold(wanted, len(members))
        self.define(name)
        self.groups.append(Group(name=name, threshold=threshold, members=tuple(members)))

    def set_quorum(self, rest: list[str]) -> None:
        if len(rest) != 1:
            raise BadPolicy("items")
        if self.quorum is not None:
            raise BadPolicy("quorum-twice")
        if rest[0] != NONE and rest[0] not in self.defined:
            raise BadPolicy("not-defined")
        self.quorum = rest[0]

    def define(self, name: str) -> None:
        if name == NONE or name in self.defined:
            raise BadPolicy("defined-twice")
        self.defined.add(name)

    def policy(self) -> TrustPolicy:
        if self.quorum is None:
            raise BadPolicy("quorum-missing")
        return TrustPolicy(
            logs=tuple(self.logs),
            witnesses=tuple(self.witnesses),
            groups=tuple(self.groups),
            quorum=self.quorum,
        )


_LINES: Final[dict[str, Callable[[_Reading, list[str]], None]]] = {
    "log": _Reading.log,
    "witness": _Reading.witness,
    "group": _Reading.group,
    "quorum": _Reading.set_quorum,
}


def _with_url(rest: list[str], count: int) -> tuple[list[str], str | None]:
    if not count <= len(rest) <= count + 1:
        raise BadPolicy("items")
    return rest[:count], rest[count] if len(rest) > count else None


def _log_key(vkey: str) -> LogVerifier:
    """Return a log's key: of a note's own type, or a cosigner's (tlog-checkpoint allows both)."""
    try:
        return VerifierKey.parse(vkey)
    except BadKey as error:
        if error.code != "signature-type":
            raise
    return CosignerKey.parse(vkey)


def _threshold(wanted: str, count: int) -> int:
    if wanted == "any":
        return 1
    if wanted == "all":
        return count
    if not _NUMBER.fullmatch(wanted) or int(wanted) > count:
        raise BadPolicy("threshold")
    return int(wanted)
