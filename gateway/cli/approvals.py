"""`approvals`: what waits for a second person, and deciding it.

The command line takes the word of whoever types for who they are: `--by` enters the log, and the
account of the machine is not asked. Where that is too little, approve in the console, which asks
for a passkey.
"""

from pathlib import Path
from typing import Final

import orjson
import typer

from gateway import clock
from gateway.approving import Approving, NotFromHere
from gateway.cli.beside import commit, opened, staff
from gateway.cli.exits import NO, OK, UNKNOWN, Trouble
from gateway.config import Config, load_config
from gateway.disclosure_log.operation import timestamp
from gateway.instance import sealed_store
from gateway.model.staff import ApprovalId
from gateway.model.strict_json import JsonObject
from gateway.standing import acknowledging
from gateway.store import approvals
from gateway.store.approvals import Approval, Decided, Decision, Verdict

_NO_LONGER: Final[dict[Verdict, str]] = {
    "own": "nobody approves what they proposed: it takes a second person",
    "closed": "it was decided before, otherwise or by somebody else",
    "lapsed": "nobody decided it in time; propose it again",
    "gone": "what it is about is no longer there, or has changed since; propose it again",
    "unknown": "no proposal has that id; see `throughgate approvals list`",
}
_WHAT: Final = {
    "erasure": "erase the person",
    "gap": "go on past a gap in the log, at size",
    "rulebook": "put this rulebook in force:",
}


def listed(config_file: Path, *, every: bool, as_json: bool) -> int:
    """Print the open proposals, oldest first; or every one there was."""
    with opened(load_config(config_file)) as connection:
        found = (
            approvals.every_approval(connection)
            if every
            else approvals.open_approvals(connection, now=clock.now())
        )
    if as_json:
        typer.echo(orjson.dumps([_json(one) for one in found]).decode())
        return OK
    for one in found:
        typer.echo(_line(one))
    if not found:
        typer.echo("none")
    return OK


def decide(config_file: Path, id_: str, decision: Decision, *, by: str, as_json: bool) -> int:
    """Approve or decline a proposal; what is approved is carried out at once.

    Exit 3 if an erasure is done, but the write-ahead log could not be cut yet.
    """
    config = load_config(config_file)
    deciding = approving(config)
    try:
        decided = commit(config, deciding.decide(id_, decision, by=staff(by)))
    except NotFromHere:
        raise Trouble("this cannot be approved from the command line", NO) from None
    folded = deciding.fold(decided)
    if as_json:
        typer.echo(orjson.dumps(_said(decided) | {"folded": folded}).decode())
    elif decided.approval is not None and decided.verdict not in _NO_LONGER:
        typer.echo(_line(decided.approval))
    if decided.verdict in _NO_LONGER:
        raise Trouble(_NO_LONGER[decided.verdict], NO)
    if not folded:
        late = "the write-ahead log is in use; it is cut at the next restart"
        typer.echo(f"throughgate: {late}", err=True)
    elif decided.verdict == "approved" and not as_json:
        typer.echo(_AFTER[decided.approval.kind] if decided.approval else "")
    return OK if folded else UNKNOWN


def approving(config: Config) -> Approving:
    """Return what proposes and carries out beside a serving gateway."""
    return Approving(
        config=config,
        sealed=sealed_store(config),
        now=clock.now,
        new_id=clock.new_id,
        gap=acknowledging(config.instance.name, clock.now),
    )


def say_proposed(id_: ApprovalId, what: str, *, as_json: bool) -> int:
    """Say what was proposed, and what the second person runs."""
    if as_json:
        typer.echo(orjson.dumps({"approval": id_, "carried_out": False}).decode())
        return OK
    days = approvals.LAPSES_AFTER.days
    typer.echo(f"Proposed: {what}. Nothing is done yet.")
    typer.echo(f"Within {days} days a second person approves it:")
    typer.echo(f"  throughgate approvals approve {id_} --by THEIR-ID")
    return OK


_AFTER: Final = {
    "erasure": "Erased. Copies of the database made before still hold what they held:"
    " see docs/keys.md",
    "gap": "Acknowledged. Restart the gateway.",
    "rulebook": "In force from the next start of the gateway on.",
}


def _said(decided: Decided) -> JsonObject:
    one = decided.approval
    return {"verdict": decided.verdict, "approval": _json(one) if one else None}


def _json(one: Approval) -> JsonObject:
    return {
        "id": one.id,
        "kind": one.kind,
        "subject": one.subject,
        "reason": one.reason,
        "state": one.state,
        "proposed_by": one.proposed_by,
        "proposed_at": timestamp(one.proposed_at),
        "lapses_at": timestamp(one.lapses_at()),
        "decided_by": one.decided_by,
        "decided_at": timestamp(one.decided_at) if one.decided_at else None,
    }


def _line(one: Approval) -> str:
    decided = f"  {one.state} by {one.decided_by}" if one.decided_by else f"  {one.state}"
    return (
        f"{one.id}  {_WHAT[one.kind]} {one.subject}  ({one.reason})"
        f"  proposed by {one.proposed_by} at {timestamp(one.proposed_at)}{decided}"
    )
