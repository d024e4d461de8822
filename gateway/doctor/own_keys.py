"""The gateway's own keys: that they load, work, and are those of this database and this log."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from gateway.config import Config
from gateway.disclosure_log.checkpoint import LogKey
from gateway.disclosure_log.note import VerifierKey, open_note
from gateway.disclosure_log.problem import BadCheckpoint, BadKey
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown
from gateway.instance import VKEY_NAME, InstanceKeys, load_keys
from gateway.store import own_secrets
from gateway.store.sqlite import StoreUnavailable
from keys.problem import KeyProblem
from keys.signing import parse_public

_LOST = "Put it back from your backup, mode 0600: docs/runbook.md, Key problem."
_CONTEXT = b"doctor"
_TEXT = "doctor\n1\nAAAA\n"  # no checkpoint: it is thrown away


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield whether each key loads and does what it is for."""
    try:
        keys = load_keys(asked.config)
    except (KeyProblem, OSError, UnicodeDecodeError) as trouble:
        code = trouble.code if isinstance(trouble, KeyProblem) else type(trouble).__name__
        yield error("keys.load", f"A key of the gateway's own cannot be used: {code}.", _LOST)
        return
    yield _works("key-encryption key", lambda: _wraps(keys))
    yield _works("log key", lambda: _signs_log(log_keys(keys)))
    yield _works("signing key", lambda: _signs(keys))
    yield _works("mail key", lambda: bool(keys.mail_signer.sign(_CONTEXT)))
    yield _of_this_database(asked, keys)
    yield _of_this_log(asked.config, log_keys(keys))


def log_keys(keys: InstanceKeys) -> Sequence[LogKey]:
    """Return the keys the log may be signed with, the newest first.

    Raises:
        KeyProblem: one of them cannot be read.
    """
    return keys.log_key()


def _works(name: str, does: Callable[[], bool]) -> Finding:
    check = f"keys.{name.replace(' ', '-')}"
    try:
        if does():
            return ok(check, f"The {name} works.")
        code = "no-round-trip"
    except KeyProblem as trouble:
        code = trouble.code
    return error(check, f"The {name} does not work: {code}.", _LOST)


def _wraps(keys: InstanceKeys) -> bool:
    fresh, kek = os.urandom(32), keys.key_encryption_key
    return kek.unwrap(kek.wrap(fresh, _CONTEXT), _CONTEXT) == fresh


def _signs_log(keys: Sequence[LogKey]) -> bool:
    try:
        for key in keys:
            open_note(key.sign(_TEXT), [key.verifier_key])
    except BadCheckpoint:
        return False
    return True


def _signs(keys: InstanceKeys) -> bool:
    public = parse_public(keys.signing_key.public_text)
    return public.verifies(keys.signing_key.sign(_CONTEXT), _CONTEXT)


def _of_this_database(asked: Asked, keys: InstanceKeys) -> Finding:
    check = "keys.database"
    try:
        with asked.reader() as connection:
            own_secrets.open_sealed(connection, keys.key_encryption_key)
    except (KeyProblem, StoreUnavailable) as trouble:
        if isinstance(trouble, KeyProblem) or trouble.code in {"wrong-key", "no-root"}:
            return error(
                check,
                f"The key-encryption key does not open this database: {trouble.code}.",
                "Put back the key that belongs to it; nothing sealed can be read without it.",
            )
        return unknown(check, f"The database cannot be opened: {trouble.code}.",
                       "docs/runbook.md, The store failed.")  # fmt: skip
    return ok(check, "The key-encryption key opens what is sealed in the database.")


def _of_this_log(config: Config, keys: Sequence[LogKey]) -> Finding:
    check = "keys.vkey"
    with suppress(OSError, UnicodeDecodeError, BadKey):
        given_out = VerifierKey.parse((config.home / VKEY_NAME).read_text("utf-8").split("\n")[0])
        if any(given_out.public == key.verifier_key.public for key in keys):
            return ok(check, f"{VKEY_NAME} is the public half of a log key in use.")
        return error(
            check,
            f"{VKEY_NAME} is of another key than those the log is signed with.",
            "Find out which of them was changed before you give either to anybody.",
        )
    return unknown(check, f"{VKEY_NAME} cannot be read.", "`throughgate keys show` prints it.")
