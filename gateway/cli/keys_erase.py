"""`keys erase-person`: destroy a person's data key, and with it all that is held of them."""

import re
from pathlib import Path
from typing import Final

import orjson
import typer

from gateway import clock
from gateway.cli.beside import commit, staff
from gateway.cli.exits import NO, OK, UNKNOWN, Trouble
from gateway.config import load_config
from gateway.instance import sealed_store
from gateway.model.ids import PersonRef
from gateway.store.erasure import NobodyKnown, erase, fold

_REF: Final = re.compile(r"per_[0-9a-f]{32}")
_REASON: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


def erase_person(config_file: Path, ref: str, *, by: str, reason: str, as_json: bool) -> int:
    """Erase a person beside a serving gateway; print which records were. There is no way back.

    Exit 3 if it is done, but the write-ahead log could not be cut: run `fold` again later.
    """
    if not _REF.fullmatch(ref):
        raise Trouble("give the record's reference, per_ and 32 hex digits; `person show` has it")
    if not _REASON.fullmatch(reason):
        raise Trouble(
            "--reason: a code for the log: lower-case letters, digits, hyphens (at most 40)"
        )
    config = load_config(config_file)
    unit = erase(sealed_store(config), PersonRef(ref), by=staff(by), reason=reason, now=clock.now())
    try:
        erased = commit(config, unit)
    except NobodyKnown:
        raise Trouble("nobody known is meant by that", NO) from None
    folded = fold(config.path(config.instance.database))
    if as_json:
        typer.echo(orjson.dumps({"erased": list(erased), "folded": folded}).decode())
    else:
        typer.echo(f"Erased: {', '.join(erased)}")
        typer.echo("Copies of the database made before still hold what they held: see docs/keys.md")
    if not folded:
        typer.echo(
            "throughgate: the write-ahead log is in use; it is cut at the next restart", err=True
        )
    return OK if folded else UNKNOWN
