"""The command groups `person` and `decisions`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReaderOption

person = typer.Typer(
    help="Who is who: what is held of a person, and which records are one. Prints no number.",
    no_args_is_help=True,
)
decisions = typer.Typer(help="What waits for a human to decide.", no_args_is_help=True)

_By = Annotated[str, typer.Option(help="Role or staff id of who does it; it enters the log.")]
_Reason = Annotated[str, typer.Option(help="Why; sealed or digested, never logged.")]
_Ref = Annotated[str, typer.Argument(metavar="REF", help="Reference of a record: per_...")]
_Pair = Annotated[
    str, typer.Argument(metavar="KIND=VALUE", help="An identifier; VALUE - reads standard input.")
]
_Who = "A reference, KIND=VALUE, or an identifier; VALUE - reads standard input."
_Task = Annotated[str, typer.Argument(metavar="TASK", help="Id of a task: tsk_...")]


@person.command("show")
@reported
def show(
    who: Annotated[str, typer.Argument(metavar="IDENTIFIER|REF", help=_Who)],
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print a person's records, kinds of identifier, merges, tasks and events; no fact."""
    from gateway.cli import person as command

    return command.show(config, who, by=by, reason=reason, as_json=as_json)


@person.command("link")
@reported
def link(
    ref: _Ref,
    identifier: _Pair,
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Say that an identifier nobody has yet names this record."""
    from gateway.cli import person as command

    return command.link(config, ref, identifier, by=by, reason=reason, as_json=as_json)


@person.command("unlink")
@reported
def unlink(
    ref: _Ref,
    identifier: _Pair,
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Say that an identifier does not name this record after all."""
    from gateway.cli import person as command

    return command.unlink(config, ref, identifier, by=by, reason=reason, as_json=as_json)


@person.command("merge")
@reported
def merge(
    survivor: Annotated[str, typer.Argument(metavar="SURVIVOR", help="Reference that goes on.")],
    absorbed: Annotated[str, typer.Argument(metavar="ABSORBED", help="Reference merged into it.")],
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Merge two records that are one person; whoever must be told anew is told."""
    from gateway.cli import person as command

    return command.merge(config, survivor, absorbed, by=by, reason=reason, as_json=as_json)


@person.command("unmerge")
@reported
def unmerge(
    one: Annotated[str, typer.Argument(metavar="ONE", help="Reference of a record.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Reference of the other.")],
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Undo the newest merge that makes two records one; what was told under it is recalled."""
    from gateway.cli import person as command

    return command.unmerge(config, one, other, by=by, reason=reason, as_json=as_json)


@person.command("tasks")
@reported
def tasks(
    who: Annotated[str | None, typer.Argument(metavar="IDENTIFIER|REF", help=_Who)] = None,
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """List what is doubtful about who somebody is: everybody, or one person. Logged."""
    from gateway.cli import person as command

    return command.tasks(config, who, by=by, as_json=as_json)


@person.command("disclosures")
@reported
def disclosures(
    who: Annotated[str, typer.Argument(metavar="IDENTIFIER|REF", help=_Who)],
    by: _By,
    why: Annotated[str, typer.Option("--why", help="Why; sealed, and digested in the log.")] = "",
    sar: Annotated[
        bool, typer.Option("--sar", help="The copy for the person themselves (DPA 2018 s.45).")
    ] = False,
    restrict: Annotated[
        list[str] | None,
        typer.Option(metavar="ALERT=GROUND", help="Keep this alert from the person: s.45(4)."),
    ] = None,
    decided: Annotated[
        bool, typer.Option("--decided", help="You decided what a sender's restriction means here.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print as CSV, every column.")] = False,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as a PDF.")] = None,
    packed: Annotated[
        Path | None,
        typer.Option("--zip", metavar="FILE", help="Write all of it for whoever is to check it."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print to whom a person's facts went: for their file, or with --sar for themselves."""
    from gateway.cli import person_disclosures as command

    return command.disclosures(
        config,
        who,
        asker=command.Asker(by=by, why=why, purpose="subject_access"),
        form=command.Form(csv=csv, pdf=pdf, packed=packed, as_json=as_json),
        sar=sar,
        restrict=restrict or (),
        decided=decided,
    )


@decisions.command("list")
@reported
def list_open(
    by: ReaderOption = None, as_json: JsonOption = False, config: ConfigOption = DEFAULT_CONFIG
) -> int:
    """List the open tasks, oldest first. Logged."""
    from gateway.cli import decisions as command

    return command.listed(config, by=by, as_json=as_json)


@decisions.command("show")
@reported
def show_decision(
    task: _Task,
    by: Annotated[
        str | None, typer.Option(help="Who reads; shows the decider's reason too.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print one task: what is asked, about whom by reference, and what was decided. Logged."""
    from gateway.cli import decisions as command

    return command.show(config, task, by=by, as_json=as_json)


@decisions.command("request")
@reported
def request(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Reference: evt_...")],
    recipient: Annotated[str, typer.Argument(metavar="RECIPIENT", help="Id in the directory.")],
    rule: Annotated[str, typer.Argument(metavar="RULE", help="As `policy explain` names it.")],
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Ask for a decision that a rule leaves to a human and nobody was asked about by itself."""
    from gateway.cli import decisions as command

    return command.request(config, event, recipient, rule, by=by, reason=reason, as_json=as_json)


@decisions.command("approve")
@reported
def approve(
    task: _Task,
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Approve what a task asks; a disclosure is then made by the serving gateway."""
    from gateway.cli import decisions as command

    return command.decide(config, task, "approved", by=by, reason=reason, as_json=as_json)


@decisions.command("decline")
@reported
def decline(
    task: _Task,
    by: _By,
    reason: _Reason,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Decline what a task asks."""
    from gateway.cli import decisions as command

    return command.decide(config, task, "declined", by=by, reason=reason, as_json=as_json)
