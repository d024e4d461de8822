"""The command groups `agencies` and `recipients`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

agencies = typer.Typer(help="Agencies that may post events.", no_args_is_help=True)
recipients = typer.Typer(help="Recipients that may be told.", no_args_is_help=True)


@agencies.command("add")
@reported
def add_agency(
    name: str,
    urn: Annotated[str, typer.Option(help="CloudEvents source of everything it posts.")],
    public_key: Annotated[Path | None, typer.Option(help="File with its whpk_ key.")] = None,
    new_key: Annotated[
        Path | None, typer.Option(help="Make a key pair; write the private here.")
    ] = None,
    organisation_class: Annotated[
        str, typer.Option("--class", help="Its class in policies/organisations.toml.")
    ] = "other",
    kinds: Annotated[str, typer.Option(help="Patterns of kinds it may post, by spaces.")] = "*",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Register an agency with its public key, or with a key pair made for it."""
    from gateway.cli.agencies import add

    return add(
        config, name, urn, public_key, new_key, organisation_class=organisation_class, kinds=kinds
    )


@recipients.command("list")
@reported
def list_recipients(as_json: JsonOption = False, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """List recipients, the ways to them, and who is told next when nobody answers."""
    from gateway.cli.recipients import listed

    return listed(config, as_json=as_json)


@recipients.command("import")
@reported
def import_recipients(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml|csv")],
    confirmed_by: Annotated[
        str | None,
        typer.Option(
            help="Role or staff id of who compared every key's fingerprint in the file with its"
            " holder by another way. Without it, keys wait for `keys confirm`."
        ),
    ] = None,
    without_asking: Annotated[
        bool,
        typer.Option(
            "--without-asking", help="Do not ask the owners of new webhooks for their consent."
        ),
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Add or replace recipients from a file: all of it, or none."""
    from gateway.cli.recipients import import_file

    return import_file(config, file, confirmed_by=confirmed_by, without_asking=without_asking)


@recipients.command("check")
@reported
def check_recipients(
    recipient: Annotated[str | None, typer.Argument(metavar="ID", help="Only this one.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Look at every way: may its key be used, and does its owner consent to webhooks?"""
    from gateway.cli.recipients import check

    return check(config, recipient, as_json=as_json)


@recipients.command("test")
@reported
def prove_recipient(
    recipient: Annotated[str, typer.Argument(metavar="ID")],
    within: Annotated[int, typer.Option(min=1, help="Seconds to wait for an answer.")] = 300,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Send an alert about nobody over the real ways, and wait until a human answers it."""
    from gateway.cli.recipients import test

    return test(config, recipient, within_s=within, as_json=as_json)


@recipients.command("enrol")
@reported
def enrol_recipient(
    recipient: Annotated[str, typer.Argument(metavar="ID")],
    by: ByOption,
    totp: Annotated[bool, typer.Option("--totp", help="An authenticator app.")] = False,
    passkey: Annotated[bool, typer.Option("--passkey", help="A passkey; prints a link.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Enrol a second factor for the pages where a recipient reads alerts. Prints it once."""
    from gateway.cli.enrol import enrol

    return enrol(config, recipient, totp=totp, passkey=passkey, by=by)


@recipients.command("factors")
@reported
def list_factors(
    recipient: Annotated[str, typer.Argument(metavar="ID")],
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """List a recipient's second factors."""
    from gateway.cli.enrol import factors

    return factors(config, recipient, as_json=as_json)


@recipients.command("revoke-factor")
@reported
def revoke_factor(
    factor: Annotated[str, typer.Argument(metavar="FACTOR", help="As in `recipients factors`.")],
    by: ByOption,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """End a second factor, or the offer of one."""
    from gateway.cli.enrol import revoke_factor as revoke

    return revoke(config, factor, by=by)
