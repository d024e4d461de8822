"""The command group `log`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption

log = typer.Typer(help="The disclosure log of an instance.", no_args_is_help=True)


@log.command("checkpoint")
@reported
def log_checkpoint(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Print the newest signed checkpoint."""
    from gateway.cli.log import checkpoint

    return checkpoint(config)


@log.command("prove")
@reported
def log_prove(
    index: Annotated[int, typer.Argument(min=0, help="Index of the entry.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print a tlog-proof that an entry is in the newest checkpoint."""
    from gateway.cli.log import prove

    return prove(config, index)


@log.command("justification")
@reported
def log_justification(
    index: Annotated[int, typer.Argument(min=0, help="Index of the consultation's entry.")],
    by: Annotated[str, typer.Option(help="Role or staff id of who asks; it enters the log.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print why a person's record was read, in its reader's words. Asking is logged."""
    from gateway.cli.log import justification

    return justification(config, index, by=by)


@log.command("verify")
@reported
def log_verify(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Rebuild the whole tree of this instance and check every checkpoint and alert proof."""
    from gateway.cli.log import verify_instance

    return verify_instance(config)


@log.command("export")
@reported
def log_export(
    out: Annotated[Path, typer.Option(help="A new folder, for example on a USB stick.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Write the whole log as files anyone can check. Exporting is itself logged, and first."""
    from gateway.cli.log_export import export

    return export(config, out)


@log.command("rotate-key")
@reported
def log_rotate_key(
    by: Annotated[str, typer.Option(help="Role or staff id of who does it; it enters the log.")],
    finish: Annotated[bool, typer.Option("--finish", help="Stop signing with the old.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Sign the log with a new key as well; later, with --finish, with it alone."""
    from gateway.cli import log_keys

    rotate = log_keys.finish_rotation if finish else log_keys.rotate_key
    return rotate(config, by=by)


@log.command("acknowledge-gap")
@reported
def log_acknowledge_gap(
    by: Annotated[str, typer.Option(help="Role or staff id of who proposes it.")],
    reason: Annotated[str, typer.Option(help="A code, for example restored-from-backup.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Propose to go on after a restore that lost entries; a second person approves."""
    from gateway.cli.log_keys import acknowledge_gap

    return acknowledge_gap(config, by=by, reason=reason)
