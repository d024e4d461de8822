"""`throughgate verify` and `throughgate log verify`: one line, one exit code, for anyone.

Exit codes: 0 it holds, 1 it does not, 2 that is not such a file, 3 it could not be told.
What is printed never quotes a file.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.disclosure_log import merkle
from gateway.disclosure_log.checkpoint import VerifierKey, parse_keys, verify_checkpoint
from gateway.disclosure_log.fsck import LogReport, check_log
from gateway.disclosure_log.note import MAX_NOTE_BYTES, decode_base64
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof, CannotRead
from gateway.disclosure_log.sources import BundleSource, DirectorySource, LogSource, UrlSource

OK: Final = 0
NOT_VERIFIED: Final = 1
USAGE: Final = 2
CANNOT_TELL: Final = 3

_MAX_PROOF_BYTES: Final = 1024 * 1024
_MAX_DIGITS: Final = 40


class _NotSuchAFile(Exception):
    """The argument is no file, or no JSON object of the published shape."""


def inclusion(path: Path) -> int:
    """Check ``{leafIdx, treeSize, leafHash, root, proof}``, hashes in base64. Reads the file."""
    return _check_proof(path, _inclusion)


def consistency(path: Path) -> int:
    """Check ``{size1, size2, root1, root2, proof}``, hashes in base64. Reads the file."""
    return _check_proof(path, _consistency)


def checkpoint(path: Path, vkey: str) -> int:
    """Check a signed checkpoint file against a log's key. Reads the file, and the key's if named.

    Args:
        path: The signed note.
        vkey: The key's text, or the path of a file that holds it, and others of the log's.
    """
    try:
        verifiers = _verifiers(vkey)
        note = _read(path, MAX_NOTE_BYTES)
    except _NotSuchAFile as error:
        return _say(USAGE, str(error))
    try:
        found = verify_checkpoint(note.decode(), verifiers)
    except UnicodeDecodeError:
        return _say(NOT_VERIFIED, "not-utf8")
    except BadCheckpoint as error:
        return _say(NOT_VERIFIED, error.code)
    return _say(OK, f"a checkpoint of {found.size} entries, signed by this key")


def log(target: str, vkey: str | None, *, held: Path | None = None) -> int:
    """Check a whole log, with a progress bar on stderr. Reads only.

    Args:
        target: The gateway's folder (or a copy), an exported bundle, or the URL of either.
        vkey: As for `checkpoint`. None takes the log's own word for its key.
        held: A checkpoint kept from before, from which the log must have grown.
    """
    try:
        verifiers = _verifiers(vkey) if vkey is not None else None
        kept = [_read(held, MAX_NOTE_BYTES).decode("utf-8", "replace")] if held else []
        opened = _open(target)
    except _NotSuchAFile as error:
        return _say(USAGE, str(error))
    except CannotRead as error:
        return _say(CANNOT_TELL, error.code)
    return log_of(opened, verifiers, kept)


def log_of(
    opened: AbstractContextManager[LogSource],
    verifiers: Sequence[VerifierKey] | None,
    held: list[str],
) -> int:
    """Check a whole log that is open, as `log` does; close it after."""
    try:
        with opened as source:
            report = _check(source, verifiers, held)
    except CannotRead as error:
        return _say(CANNOT_TELL, error.code)
    return _say_report(report, known_key=verifiers is not None)


def _check_proof(path: Path, check: Callable[[dict[str, Any]], str]) -> int:
    try:
        verdict = check(_object(_read(path, _MAX_PROOF_BYTES)))
    except _NotSuchAFile as error:
        return _say(USAGE, str(error))
    except BadProof as error:
        return _say(NOT_VERIFIED, error.code)
    return _say(OK, verdict)


def _inclusion(stated: dict[str, Any]) -> str:
    index, size = _number(stated, "leafIdx"), _number(stated, "treeSize")
    leaf, root, proof = _text(stated, "leafHash"), _text(stated, "root"), _texts(stated)
    merkle.verify_inclusion(
        index=index, size=size, leaf=_decode(leaf), path=_decode_all(proof), root=_decode(root)
    )
    return "the leaf is in the tree at that index"


def _consistency(stated: dict[str, Any]) -> str:
    size1, size2 = _number(stated, "size1"), _number(stated, "size2")
    root1, root2, proof = _text(stated, "root1"), _text(stated, "root2"), _texts(stated)
    merkle.verify_consistency(
        size1=size1,
        size2=size2,
        root1=_decode(root1),
        root2=_decode(root2),
        path=_decode_all(proof),
    )
    return "the first tree is a prefix of the second"


def _check(
    source: LogSource, verifiers: Sequence[VerifierKey] | None, held: list[str]
) -> LogReport:
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return check_log(source, verifier=verifiers, progress=show, held=held)


def _say_report(report: LogReport, *, known_key: bool) -> int:
    if report.problems:
        first, *rest = report.problems
        where = f" at entry {first.index}" if first.index is not None else ""
        more = f" (and {len(rest)} more)" if rest else ""
        return _say(NOT_VERIFIED, f"{first.code}{where}{more}")
    whose = "" if known_key else "; the key is the one the log itself states"
    gaps = "".join(
        f"; LOST: {max(0, gap.known_size - gap.size)} entries published after entry {gap.size},"
        f" acknowledged by entry {gap.index}"
        for gap in report.gaps
    )
    return _say(
        OK,
        f"{report.size} entries under {report.checkpoints} checkpoints,"
        f" root {report.root.hex()}{whose}{gaps}",
    )


def _say(code: int, text: str) -> int:
    prefix = {OK: "ok", NOT_VERIFIED: "not verified", USAGE: "usage", CANNOT_TELL: "could not tell"}
    print(f"{prefix[code]}: {text}")
    return code


def _open(target: str) -> AbstractContextManager[LogSource]:
    if _is_url(target):
        return nullcontext(UrlSource(target))
    if not Path(target).is_dir():
        raise _NotSuchAFile("no such folder")
    if BundleSource.is_one(Path(target)):
        return nullcontext(BundleSource(Path(target)))
    return closing(DirectorySource(Path(target)))


def _is_url(target: str) -> bool:
    return "://" in target


def _verifiers(vkey: str) -> tuple[VerifierKey, ...]:
    try:
        return parse_keys(vkey)
    except BadKey:
        pass
    try:
        return parse_keys(_read(Path(vkey), MAX_NOTE_BYTES).decode())
    except (BadKey, UnicodeDecodeError) as error:
        raise _NotSuchAFile("not a log's verifier key, nor a file that holds one") from error


def _read(path: Path, limit: int) -> bytes:
    """Return a file's bytes, one more than `limit` if it is longer: the checks refuse that."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise _NotSuchAFile("no such file, or it cannot be read") from error


def _object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a proof file. Sizes may pass 2**53, so not by `strict_json`."""
    if len(body) > _MAX_PROOF_BYTES:
        raise _NotSuchAFile("longer than any proof")
    try:
        value = json.loads(body.decode(), object_pairs_hook=_members, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise _NotSuchAFile("not JSON") from error
    if not isinstance(value, dict):
        raise _NotSuchAFile("not a JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("member appears twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("number too long")
    return int(digits)


def _number(stated: dict[str, Any], name: str) -> int:
    value = stated.get(name)
    if type(value) is not int:
        raise _NotSuchAFile(f"{name} must be an integer")
    return value


def _text(stated: dict[str, Any], name: str) -> str:
    value = stated.get(name)
    if not isinstance(value, str):
        raise _NotSuchAFile(f"{name} must be a string")
    return value


def _texts(stated: dict[str, Any]) -> list[str]:
    """Return the proof's hashes; null stands for none of them."""
    proof = stated.get("proof", False)
    if proof is None:
        return []
    if not isinstance(proof, list) or not all(isinstance(one, str) for one in proof):
        raise _NotSuchAFile("proof must be a list of strings, or null")
    return proof


def _decode(text: str) -> bytes:
    found = decode_base64(text)
    if found is None:
        raise BadProof("base64")
    return found


def _decode_all(texts: list[str]) -> list[bytes]:
    return [_decode(text) for text in texts]
