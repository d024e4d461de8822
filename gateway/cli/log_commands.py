"""The command group `log`."""

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
