"""Checking an evidence pack that somebody else made: every entry in it, against the log's key.

Needs no gateway and no network. Trusts nothing in the pack. Pure.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, BadProof

MAX_PACK_BYTES: Final = 64 * 1024 * 1024
_MAX_FILES: Final = 4096
_MAX_FILE_BYTES: Final = 256 * 1024
_ENTRY: Final = re.compile(r"entries/([0-9]{10})\.json")
_UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, OSError, EOFError,
)  # fmt: skip


class BadPack(Exception):
    """No evidence pack. `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of every entry of a pack."""

    holding: tuple[int, ...]  # entries that are in the log at that index
    failing: tuple[tuple[int, str], ...]  # and those that could not be shown to be; with a code


def check_pack(content: bytes, verifiers: Sequence[VerifierKey]) -> Checked:
    """Check every entry of a pack.

    Args:
        content: The ZIP.
        verifiers: Keys of the log that are trusted. The pack's own are never taken.

    Raises:
        BadPack: not-a-pack, too-large, name-twice.
    """
    if len(content) > MAX_PACK_BYTES:
        raise BadPack("too-large")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = [one.filename for one in members]
            if len(names) > _MAX_FILES:
                raise BadPack("too-large")
            if len(set(names)) != len(names):
                raise BadPack("name-twice")
            found = [
                (int(match[1]), _read(archive, name), _read(archive, _proof_of(name)))
                for name in sorted(names)
                if (match := _ENTRY.fullmatch(name))
            ]
    except _UNREADABLE as error:
        raise BadPack("not-a-pack") from error
    verdicts = [(index, _trouble(index, entry, text, verifiers)) for index, entry, text in found]
    return Checked(
        holding=tuple(index for index, code in verdicts if code is None),
        failing=tuple((index, code) for index, code in verdicts if code is not None),
    )


def keys_in(content: bytes) -> tuple[VerifierKey, ...]:
    """Return the keys a pack itself states: nobody's word but its maker's.

    Raises:
        BadPack: there are none, or they are malformed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            lines = _read(archive, "log.vkey").decode().split()
        return tuple(VerifierKey.parse(one) for one in lines)
    except _UNREADABLE as error:
        raise BadPack("not-a-pack") from error
    except (BadKey, UnicodeDecodeError) as error:
        raise BadPack("bad-key") from error


def _proof_of(entry: str) -> str:
    return entry.replace("entries/", "proofs/").replace(".json", ".tlog-proof")


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member, never more of it than any such file has."""
    with archive.open(name) as member:
        content = member.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise BadPack("too-large")
    return content


def _trouble(index: int, entry: bytes, text: bytes, verifiers: Sequence[VerifierKey]) -> str | None:
    try:
        proven = proof.verify(text.decode(), entry=entry, verifiers=verifiers)
    except (BadProof, BadCheckpoint) as error:
        return error.code
    except UnicodeDecodeError:
        return "malformed"
    return None if proven.index == index else "index"
