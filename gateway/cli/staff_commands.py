"""The command group `staff`: who may sign in to the console."""

from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

staff = typer.Typer(help="Who may sign in to the console.", no_args_is_help=True)


@staff.command("add")
@reported
def add_staff(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A role or staff id, never a name.")],
    by: ByOption,
    role: Annotated[list[str], typer.Option(help="dpo, coordinator or operator; may repeat.")],
    agency: Annotated[
        list[str] | None, typer.Option(help="Posting agency they act for; may repeat.")
    ] = None,
    organisation: Annotated[
        list[str] | None,
        typer.Option(help="Organisation of recipients they act for; may repeat."),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="The provider's `sub` for them: they sign in there and need no passkey here."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Make an account; prints a link to register a passkey by, good once and for a day."""
    from gateway.cli.staff import Wanted, add

    wanted = Wanted(
        id=id_,
        roles=role,
        agencies=agency or [],
        organisations=organisation or [],
        subject=subject,
    )
    return add(config, wanted, by=by)


@staff.command("list")
@reported
def list_staff(as_json: JsonOption = False, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """List every account, with its roles, whom it acts for, and how it signs in."""
    from gateway.cli.staff import listed

    return listed(config, as_json=as_json)


@staff.command("revoke")
@reported
def revoke_staff(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    by: ByOption,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """End an account for good: its passkeys and links are void, its sessions over at once."""
    from gateway.cli.staff import revoke

    return revoke(config, id_, by=by)


@staff.command("new-link")
@reported
def new_link(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    by: ByOption,
    lost: Annotated[
        bool,
        typer.Option("--lost", help="Void the passkeys there are, and end the sessions."),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print a new link to register a passkey by; the one before is void."""
    from gateway.cli.staff import new_link as make

    return make(config, id_, lost=lost, by=by)
