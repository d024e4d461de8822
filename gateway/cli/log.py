"""`log checkpoint`, `log prove`, `log verify`: the operator's own look at the instance's log."""

from pathlib import Path

import typer

from gateway.audit import Auditor
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import load_config
from gateway.instance import VKEY_NAME


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


def verify_instance(config_file: Path) -> int:
    """Check the whole log, then the proof of every alert in the outbox."""
    from gateway.cli.verify_log import log as check

    config = load_config(config_file)
    code = check(str(config.home), str(config.home / VKEY_NAME))
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
    return Auditor.open(
        config.path(config.instance.database), (config.home / VKEY_NAME).read_text("utf-8").strip()
    )
