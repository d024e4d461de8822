"""`log checkpoint`, `prove`, `justification`, `verify`: the operator's own look at the log."""

from contextlib import closing
from pathlib import Path

import orjson
import typer

from gateway.audit.findings import Auditor
from gateway.cli.beside import log_reading, opened, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import load_config
from gateway.instance import VKEY_NAME, sealed_store, verifiers_of
from gateway.store import justifications
from gateway.store.place import place_of


def checkpoint(config_file: Path) -> int:
    """Print the newest checkpoint."""
    with _auditor(config_file) as auditor:
        note = auditor.latest_checkpoint()
    typer.echo(note, nl=False)
    return OK


def prove(config_file: Path, index: int) -> int:
    """Print a proof of one entry against the newest checkpoint."""
    with _auditor(config_file) as auditor:
        if index >= auditor.size:
            raise Trouble(f"the log has {auditor.size} entries")
        typer.echo(auditor.prove(index), nl=False)
    return OK


def justification(config_file: Path, index: int, *, by: str) -> int:
    """Print why a record was read, as its reader said; asking is itself logged, and first.

    Raises:
        Trouble: the entry is no reading of a person's record, or no words were kept.
    """
    config = load_config(config_file)
    with opened(config) as connection:
        row = connection.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).fetchone()
        logged = orjson.loads(row[0]) if row else {}
        person, mac = logged.get("person"), logged.get("reason_mac")
        if logged.get("op") != "consultation" or person is None or mac is None:
            raise Trouble("that entry is no reading of a person's record with a reason given", NO)
        log_reading(config, person, what="justification", reader=staff(by))
        sealed = sealed_store(config)
        words = justifications.words_of(connection, sealed, person, mac)
    if words is None:
        raise Trouble("its words were not kept", NO)
    typer.echo(words)
    return OK


def verify_instance(config_file: Path) -> int:
    """Check the whole log, then the proof of every alert in the outbox."""
    from gateway.cli.verify_log import log_of
    from gateway.disclosure_log.sources import StoreSource

    config = load_config(config_file)
    source = StoreSource(place_of(config).open_reader(), config.home / VKEY_NAME)
    code = log_of(closing(source), verifiers_of(config), [])
    if code != OK:
        return code
    with _auditor(config_file) as auditor:
        findings = auditor.findings()
    bad = [one for one in findings if not one.verified]
    verdict = "not verified" if bad else "ok"
    typer.echo(f"{verdict}: {len(findings) - len(bad)} of {len(findings)} alert proofs")
    return NO if bad else OK


def _auditor(config_file: Path) -> Auditor:
    config = load_config(config_file)
    return Auditor.open(place_of(config), (config.home / VKEY_NAME).read_text("utf-8"))
