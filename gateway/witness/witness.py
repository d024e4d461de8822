"""The rule a witness lives by: it cosigns what its last cosigned checkpoint is a prefix of.

Source: c2sp.org/tlog-witness, "add-checkpoint"; the order of the checks is the specification's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.disclosure_log import merkle
from gateway.disclosure_log.checkpoint import Checkpoint, read_text
from gateway.disclosure_log.cosignature import Algorithm, CosigningKey
from gateway.disclosure_log.merkle import EMPTY_ROOT
from gateway.disclosure_log.note import (
    Note,
    VerifierKey,
    open_note,
    parse_signatures,
    signature_line,
)
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof, LogProblem
from gateway.witness.request import SIZE_TYPE, AddCheckpoint, BadRequest, parse
from gateway.witness.state import Latest, State, StateUnavailable
from keys.providers.secret_file import read_secret, write_secret

DATABASE: Final = "witness.db"
VKEYS: Final = "witness.vkeys"
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ed25519", "ml-dsa-44")
PLAIN: Final = "text/plain"

_MAX_ORIGIN_BYTES: Final = 255  # tlog-cosignature, `log_origin`

STATUS: Final = {
    "malformed": 400,
    "too-long": 400,
    "old-size": 400,
    "signature": 403,
    "unknown-log": 404,
    "conflict": 409,
    "empty-root": 422,
    "proof": 422,
    "root": 422,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a witness says to a checkpoint."""

    status: int  # as over HTTP
    code: str  # "cosigned", or why not: one of `STATUS`
    body: str = ""
    content_type: str = PLAIN


class _Refusal(LogProblem):
    """Why a checkpoint is not cosigned."""


class _Conflict(Exception):
    """The size the request starts from is not the one known here."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__("conflict")


class Witness:
    """One witness: its keys and what it must not forget. For one thread at a time."""

    def __init__(
        self, keys: Sequence[CosigningKey], state: State, now: Callable[[], datetime]
    ) -> None:
        self.state = state
        self._keys = tuple(keys)
        self._now = now

    @classmethod
    def open(cls, folder: Path, now: Callable[[], datetime]) -> "Witness":
        """Open the witness in a folder.

        Raises:
            KeyProblem, BadKey, StateUnavailable: a key or the state cannot be used.
        """
        return cls(load_keys(folder), State(folder / DATABASE), now)

    @property
    def vkeys(self) -> tuple[str, ...]:
        """Its public keys as vkey texts."""
        return tuple(str(key.public_key) for key in self._keys)

    def close(self) -> None:
        """Let go of the state."""
        self.state.close()

    def add_log(self, vkey: str) -> str:
        """Trust a key for the log it is named for; return that log's origin. Commits.

        A second key of a log is trusted beside the first: that is how a log changes its key.

        Raises:
            BadKey: malformed, no log's key, or named too long for our signatures.
        """
        key = VerifierKey.parse(vkey)
        if len(key.name.encode()) > _MAX_ORIGIN_BYTES:
            raise BadKey("key-name")
        self.state.add_key(key, self._now())
        return key.name

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign a checkpoint, or say why not. What is cosigned is durable on return.

        Raises:
            StateUnavailable: nothing was cosigned.
        """
        try:
            request = parse(body)
            checkpoint = read_text(request.note.text)
            logs = self._signed_by_log(request, checkpoint)
            cosigned = self.state.replace(
                checkpoint.origin,
                lambda known: self._decide(known, request, checkpoint, logs),
            )
        except _Conflict as conflict:
            return Answer(
                status=409, code="conflict", body=f"{conflict.size}\n", content_type=SIZE_TYPE
            )
        except (BadRequest, BadCheckpoint, _Refusal) as error:
            return Answer(status=STATUS[error.code], code=error.code, body=f"{error.code}\n")
        ours = {(key.name, key.public_key.id) for key in self._keys}
        lines = cosigned.note.rpartition("\n\n")[2]
        own = [one for one in parse_signatures(lines) if (one[0], one[1][:4]) in ours]
        return Answer(
            status=200, code="cosigned", body="".join(signature_line(*one) for one in own)
        )

    def _signed_by_log(
        self, request: AddCheckpoint, checkpoint: Checkpoint
    ) -> tuple[VerifierKey, ...]:
        """Return the trusted keys of the log that signed; refuse what no state is needed for."""
        trusted = self.state.keys(checkpoint.origin)
        if not trusted:
            raise _Refusal("unknown-log")
        try:
            _text, signers = open_note(request.text, trusted)
        except BadCheckpoint:  # none of them signed, or one of their lines is wrong
            raise _Refusal("signature") from None
        if request.old > checkpoint.size:
            raise _Refusal("old-size")
        return signers

    def _decide(
        self,
        known: Latest | None,
        request: AddCheckpoint,
        checkpoint: Checkpoint,
        logs: tuple[VerifierKey, ...],
    ) -> Latest:
        """Return the checkpoint cosigned, if it follows from the one known."""
        size = known.size if known else 0
        if request.old != size:
            raise _Conflict(size)
        _check_growth(known, request, checkpoint)
        # A clock set back must not have us say that we saw the larger tree first.
        at = max(int(self._now().timestamp()), known.cosigned_at if known else 1)
        text = request.note.text
        cosignatures = "".join(key.cosign(text, at=at) for key in self._keys)
        # What is served to monitors: what was verified, and nothing of who else signed.
        kept = {(key.name, key.id) for key in logs}
        of_log = tuple(one for one in request.note.signatures if (one[0], one[1][:4]) in kept)
        return Latest(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root,
            note=str(Note(text=text, signatures=of_log)) + cosignatures,
            cosigned_at=at,
        )


def _check_growth(known: Latest | None, request: AddCheckpoint, checkpoint: Checkpoint) -> None:
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise _Refusal("empty-root")
    if request.old == 0 or known is None:
        if request.proof:
            raise _Refusal("proof")
        return
    if known.size == checkpoint.size and known.root != checkpoint.root:
        raise _Refusal("root")
    try:
        merkle.verify_consistency(
            size1=known.size,
            size2=checkpoint.size,
            root1=known.root,
            root2=checkpoint.root,
            path=request.proof,
        )
    except BadProof:
        raise _Refusal("proof") from None


def create(folder: Path, name: str) -> tuple[str, ...]:
    """Make a witness: two keys and an empty state; return its vkeys. Draws randomness.

    Args:
        folder: Made with mode 0700 if missing; must not hold a witness.
        name: A schema-less URL, e.g. ``witness.example.org/1``.

    Raises:
        BadKey: the name cannot name a key.
        StateUnavailable, KeyProblem: there is a witness already; nothing of it is touched.
    """
    keys = [CosigningKey.generate(name, algorithm) for algorithm in ALGORITHMS]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / DATABASE).exists():
        raise StateUnavailable("exists", f"{folder} holds a witness already; left as it is")
    for key in keys:
        write_secret(_key_file(folder, key.algorithm), key.secret_text)
    vkeys = tuple(str(key.public_key) for key in keys)
    (folder / VKEYS).write_text("".join(f"{vkey}\n" for vkey in vkeys), "utf-8")
    State.create(folder / DATABASE)
    return vkeys


def load_keys(folder: Path) -> tuple[CosigningKey, ...]:
    """Read a witness's two keys.

    Raises:
        KeyProblem: one is missing, or readable by others.
        BadKey: one is malformed.
    """
    return tuple(
        CosigningKey.parse_secret(read_secret(_key_file(folder, algorithm)))
        for algorithm in ALGORITHMS
    )


def _key_file(folder: Path, algorithm: Algorithm) -> Path:
    return folder / f"{algorithm}.key"
