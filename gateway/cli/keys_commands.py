"""The command group `keys`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

keys = typer.Typer(
    help="Keys of agencies and recipients, and the gateway's own.", no_args_is_help=True
)


@keys.command("new")
@reported
def new_key(
    form: Annotated[str, typer.Argument(help="hpke, jwe, signing, or secret")],
    file: Annotated[Path, typer.Argument(help="Where to write the private key (mode 0600).")],
) -> int:
    """Make a key pair (or a shared secret); prints what to give to the gateway."""
    from gateway.cli.keys import make

    return make(form, file)


@keys.command("show")
@reported
def show_keys(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Print the gateway's own public keys: what recipients and auditors need."""
    from gateway.cli.keys import show

    return show(config)


@keys.command("list")
@reported
def list_keys(
    recipient: Annotated[str | None, typer.Option(help="Only this recipient's.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """List recipients' keys: fingerprint, whether it is confirmed, until when it is valid."""
    from gateway.cli.recipient_keys import list_held

    return list_held(config, recipient, as_json=as_json)


@keys.command("import")
@reported
def import_key(
    endpoint: Annotated[str, typer.Argument(help="As in `keys list`: RECIPIENT/CHANNEL.")],
    file: Annotated[Path, typer.Argument(help="thpk_ text, public JWK, or PEM certificate.")],
    by: ByOption,
    form: Annotated[str, typer.Option(help="hpke, jwe, or cms")] = "hpke",
    valid_until: Annotated[
        str | None, typer.Option(metavar="TIME", help="RFC 3339; a certificate has its own.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Add a key to an endpoint. It is not used until its fingerprint is confirmed."""
    from gateway.cli.recipient_keys import add

    return add(config, endpoint, file, form=form, by=by, valid_until=valid_until)


@keys.command("confirm")
@reported
def confirm_key(
    endpoint: Annotated[str, typer.Argument(help="RECIPIENT/CHANNEL.")],
    fingerprint: Annotated[
        str, typer.Argument(help="As its holder read it to you by another way; whole.")
    ],
    by: ByOption,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Say that a key is its holder's: from now on alerts are sealed to it."""
    from gateway.cli.recipient_keys import confirm

    return confirm(config, endpoint, fingerprint, by=by)


@keys.command("revoke")
@reported
def revoke_key(
    endpoint: Annotated[str, typer.Argument(help="RECIPIENT/CHANNEL.")],
    key_id: Annotated[str, typer.Argument(help="As in `keys list`; its first 8 characters do.")],
    by: ByOption,
    reason: Annotated[
        str, typer.Option(help="compromised, lost, superseded, left, or unspecified")
    ] = "unspecified",
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Never use a key again, also for alerts that are waiting to leave."""
    from gateway.cli.recipient_keys import revoke

    return revoke(config, endpoint, key_id, by=by, reason=reason)


@keys.command("check")
@reported
def check_keys(
    at: Annotated[str | None, typer.Option(metavar="TIME", help="As of then, RFC 3339.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Say which keys end within 60, 30 and 7 days, and which endpoints have none that may be used.

    Exit 1 if there is such an endpoint."""
    from gateway.cli.recipient_keys import check

    return check(config, at=at, as_json=as_json)


@keys.command("rotate")
@reported
def rotate_key(
    by: ByOption,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Keys per transaction.")] = 200,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Put another key-encryption key in force and wrap every data key anew; run it again to go on
    where it was cut short.

    Exit 1 if some are left."""
    from gateway.cli.keys_rotate import rotate

    return rotate(config, by=by, batch=batch)


@keys.command("erase-person")
@reported
def erase_person(
    ref: Annotated[str, typer.Argument(help="The record's reference, as in `person show`.")],
    by: ByOption,
    reason: Annotated[str, typer.Option(help="A code for the log, such as art-17-request.")],
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Propose to destroy a person's data key and blank what was sealed under it: a second person
    carries it out with `approvals approve`. The command line takes --by on trust; the console asks
    for a passkey."""
    from gateway.cli.keys_erase import erase_person as erase

    return erase(config, ref, by=by, reason=reason, as_json=as_json)
