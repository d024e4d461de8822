"""`witness request` and `witness accept`: the gateway's side where no network joins the witness."""

from collections.abc import Sequence
from pathlib import Path

import typer

from gateway import clock
from gateway.cli import beside
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.config import Config, load_config
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES, merge, parse_note
from gateway.disclosure_log.problem import BadCheckpoint
from gateway.disclosure_log.trust_policy import MAX_POLICY_BYTES, BadPolicy, TrustPolicy
from gateway.store import witnessed
from gateway.store.log_paths import paths_of
from gateway.store.log_tree import newest_checkpoint
from gateway.witness.request import render


def request(config_file: Path, old: int) -> int:
    """Print what a witness is asked with: the newest checkpoint, and the proof from a size."""
    config = load_config(config_file)
    with beside.opened(config) as connection:
        newest = newest_checkpoint(connection)
        if newest is None:
            raise Trouble("the log has no checkpoint yet")
        size, note = newest
        if old > size:
            raise Trouble(
                f"the log has {size} entries: fewer than that witness cosigned, which must not be."
                " Tell the data protection officer",
                NO,
            )
        path = paths_of(connection).consistency(old, size) if 0 < old < size else []
    typer.echo(render(old, path, note), nl=False)
    return OK


def accept(config_file: Path, files: Sequence[Path]) -> int:
    """Keep a checkpoint that came back cosigned, if the policy says that it is enough."""
    config = load_config(config_file)
    policy = policy_of(config)
    notes = [_note(file) for file in files]
    try:
        merged = notes[0]
        for note in notes[1:]:
            if parse_note(note).text != parse_note(merged).text:
                raise Trouble("these are not of one checkpoint")
            merged = merge(merged, parse_note(note).signatures)
        checkpoint = parse_checkpoint(merged)
    except BadCheckpoint as error:
        raise Trouble(f"that is no checkpoint: {error.code}") from None
    with beside.opened(config) as connection:
        own = connection.execute(
            "SELECT note FROM log_checkpoint WHERE size = ?", (checkpoint.size,)
        ).fetchone()
    if own is None or parse_checkpoint(own[0]) != checkpoint:
        typer.echo("not accepted: this log never signed that checkpoint", err=True)
        return NO
    signers = policy.cosigned_by(merged)
    if not policy.quorum_met(signers):
        named = ", ".join(sorted(signers)) or "nobody"
        typer.echo(f"not accepted: too few witnesses; cosigned by {named}", err=True)
        return NO
    # On our own note: what else the file carried is not passed on.
    known = {(one.key.name, one.key.id) for one in policy.witnesses}
    good = [one for one in parse_note(merged).signatures if (one[0], one[1][:4]) in known]
    beside.commit(config, witnessed.put(merge(own[0], good), clock.now()))
    typer.echo(f"accepted: {checkpoint.size} entries, cosigned by {', '.join(sorted(signers))}")
    return OK


def policy_of(config: Config) -> TrustPolicy:
    """Return the trust policy the configuration names.

    Raises:
        Trouble: none, or it cannot be read.
    """
    if config.witness is None:
        raise Trouble("the configuration has no [witness] section")
    file = config.path(config.witness.policy)
    try:
        return TrustPolicy.parse(read_file(file, MAX_POLICY_BYTES))
    except BadPolicy as error:
        raise Trouble(f"{file}: {error}") from None


def _note(file: Path) -> str:
    try:
        return read_file(file, MAX_NOTE_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise Trouble(f"{file} is no checkpoint") from None
