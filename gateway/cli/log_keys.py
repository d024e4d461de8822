"""`log rotate-key` and `log acknowledge-gap`: what is decided about the log itself."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from gateway import clock
from gateway.cli.beside import commit, opened, staff
from gateway.cli.exits import OK, Trouble
from gateway.config import Config, load_config
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey, VerifierKey
from gateway.instance import VKEY_NAME, load_keys
from gateway.key_places import make_log_key
from gateway.model.staff import ApprovalId
from gateway.store import approvals, epoch
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit

_REASON: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def rotate_key(config_file: Path, *, by: str) -> int:
    """Let a new key sign the log beside the one in force, at once, for everyone who serves it.

    With keys in files the key is made here; one in a token is made there and named in the
    configuration as `keys.log`, and the one before under `keys.log.retiring`.
    """
    config, by = load_config(config_file), staff(by)
    keys = load_keys(config).log_key.load()
    with opened(config) as connection:
        told = _told(connection, keys)
    if len(told) > 1:
        raise Trouble("a rotation is under way; end it with: throughgate log rotate-key --finish")
    if not _fresh(keys, told):
        if config.keys.log.provider != "file":
            raise Trouble(
                "make a key in the token and name it as keys.log, the one before under"
                " [[keys.log.retiring]]"
            )
        typer.echo(f"Made {make_log_key(config)}: back it up now")
        keys = load_keys(config).log_key.load()
    commit(config, _add(config, keys, by))
    typer.echo(
        f"The log is signed with both keys from now on.\nGive {config.home / VKEY_NAME} to everyone"
        " who checks the log; when they have it: throughgate log rotate-key --finish"
    )
    return OK


def finish_rotation(config_file: Path, *, by: str) -> int:
    """Stop signing with the older key."""
    config, by = load_config(config_file), staff(by)
    keys = load_keys(config).log_key.load()
    retired = commit(config, _retire(config, keys, by))
    if not retired:
        typer.echo("Nothing to finish: one key signs the log")
        return OK
    typer.echo(
        f"{retired} retired. Its private half is of no more use: destroy it.\nIts line stays in"
        f" {config.home / VKEY_NAME}: what it signed is checked with it."
    )
    return OK


def acknowledge_gap(config_file: Path, *, by: str, reason: str) -> int:
    """Propose to go on though part of what was published is lost; somebody else approves it."""
    config, by = load_config(config_file), staff(by)
    if not _REASON.fullmatch(reason):
        raise Trouble("--reason: a code: lower-case letters, digits and hyphens, at most 64")
    _look(config)
    with opened(config) as connection:
        missing = epoch.behind_of(connection)
        size = epoch.marks_of(connection).size
    if missing is None:
        typer.echo("Nothing to acknowledge: the log is whole")
        return OK
    proposed = commit(
        config,
        approvals.propose(
            id_=ApprovalId(clock.new_id("apr")),
            kind="gap",
            subject=str(missing.size),
            reason=reason,
            by=by,
            now=clock.now(),
        ),
    )
    typer.echo(
        f"This log has {size} entries; {missing.size} were published under {missing.origin}.\n"
        "What lies between is lost to this log for good, unless a later backup turns up: look for"
        " one first.\n"
        f"Proposed as {proposed}. Somebody else approves it:\n"
        f"  throughgate approvals approve {proposed} --by STAFF --config {config_file}"
    )
    return OK


def _look(config: Config) -> None:
    """Compare the log with what was published, as every opening of the store does."""
    commit(config, lambda _connection: Staged(None))


def _told(connection: Connection, keys: Sequence[LogKey]) -> tuple[bytes, ...]:
    return epoch.signers_of(connection) or (keys[-1].verifier_key.public,)


def _fresh(keys: Sequence[LogKey], told: Sequence[bytes]) -> list[LogKey]:
    """Return the keys newer than the one in force."""
    publics = [key.verifier_key.public for key in keys]
    return list(keys[: publics.index(told[0])]) if told[0] in publics else []


def _add(config: Config, keys: Sequence[LogKey], by: str) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        told = _told(connection, keys)
        fresh = [key.verifier_key.public for key in _fresh(keys, told)]
        epoch.set_signers(connection, [*fresh, *told])
        logged = [_entry(connection, config, "added", one, by) for one in fresh]
        return Staged(None, logged)

    return unit


def _retire(config: Config, keys: Sequence[LogKey], by: str) -> Unit[int]:
    def unit(connection: Connection) -> Staged[int]:
        newest, *older = _told(connection, keys)
        if not older:
            return Staged(0)
        epoch.set_signers(connection, [newest])
        logged = [_entry(connection, config, "retired", one, by) for one in older]
        return Staged(len(older), logged)

    return unit


def _entry(connection: Connection, config: Config, action: str, public: bytes, by: str) -> bytes:
    origin = epoch.origin_of(connection, config.instance.name)
    verifier = str(VerifierKey(name=origin, public=public))
    return entry.log_key(
        at=clock.now(), action="added" if action == "added" else "retired", verifier=verifier, by=by
    ).encode()
