"""The `throughgate policy` commands: what they take. What they do is imported when one is used."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, ReaderOption

policy = typer.Typer(help="The rulebook: who may be told what, and why.", no_args_is_help=True)

RulebookOption = Annotated[
    Path | None,
    typer.Option("--rulebook", metavar="DIR", help="Folder of a rulebook; else the one shipped."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@policy.command("check")
@reported
def policy_check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A rulebook; else the one shipped.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Does this rulebook hold together, and does it say something of every role and kind?"""
    from gateway.cli.policy import check

    return check(folder, as_json=as_json)


@policy.command("explain")
@reported
def policy_explain(
    file: Annotated[Path, typer.Argument(metavar="EVENT.json", help="One event.")],
    recipient: Annotated[
        str | None, typer.Option(help="One recipient only; exit 1 if they are not told.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Class of the sender, without an instance.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="THROUGHGATE_CONFIG", help="Configuration file."),
    ] = None,
    by: ReaderOption = None,
    as_json: JsonOption = False,
) -> int:
    """Who would be told of this event, who not, and why, in plain words. Nothing is sent."""
    from gateway.cli.policy_explain import explain

    return explain(
        file, recipient=recipient, sender=sender, config_file=config, by=by, as_json=as_json
    )


@policy.command("matrix")
@reported
def policy_matrix(
    kind: Annotated[str | None, typer.Option(help="One kind of event; else every one.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or html.")] = "table",
    rulebook: RulebookOption = None,
    as_json: JsonOption = False,
) -> int:
    """Print who may be told what: role by kind by field group, computed from the rules."""
    from gateway.cli.policy import matrix

    return matrix(kind, form=form, rulebook_dir=rulebook, as_json=as_json)


@policy.command("test")
@reported
def policy_test(
    file: Annotated[Path, typer.Argument(metavar="VECTORS.toml")],
    rulebook: RulebookOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run policy vectors: facts and a claim in, the expected verdict out."""
    from gateway.cli.policy import test

    return test(file, rulebook_dir=rulebook, as_json=as_json)


@policy.command("prove")
@reported
def policy_prove(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="INVARIANTS.toml", help="What must hold; else the rulebook's own."),
    ] = None,
    rulebook: RulebookOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show that the invariants hold over every combination of facts, or what breaks them."""
    from gateway.cli.prove import prove

    return prove(file, rulebook_dir=rulebook, as_json=as_json)


@policy.command("diff")
@reported
def policy_diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Folder of a rulebook.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of a rulebook.")],
    as_json: JsonOption = False,
) -> int:
    """What changed between two rulebooks, rule by rule and cell by cell."""
    from gateway.cli.policy import diff

    return diff(old, new, as_json=as_json)


@policy.command("replay")
@reported
def policy_replay(
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Folder of a rulebook.")],
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only events received from this day on.")
    ] = None,
    by: ReaderOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> int:
    """Whose alerts would change under another rulebook, for the events already received. Logged."""
    from gateway.cli.policy_replay import replay_events

    return replay_events(new, since=since, config_file=config, by=by, as_json=as_json)


@policy.command("adopt")
@reported
def policy_adopt(
    by: ByOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> int:
    """Propose that the configured rulebook is put in force, where that takes two persons; the
    second runs `approvals approve`."""
    from gateway.cli.policy_adopt import adopt

    return adopt(config, by=by, as_json=as_json)
