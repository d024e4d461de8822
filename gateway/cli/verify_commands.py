"""The command group `verify`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import JsonOption
from gateway.cli.verify_sealing_commands import add_to

verify = typer.Typer(
    help="Check things without an instance. Prints the verdict and its reason, never content.",
    no_args_is_help=True,
)
add_to(verify)


@verify.command("event")
@reported
def verify_event(
    file: Path,
    adapter: Annotated[str | None, typer.Option(help="The agency format the file is in.")] = None,
    source: Annotated[
        str, typer.Option(help="Agency URN to put on translated events.")
    ] = "urn:throughgate:agency:unknown",
    as_json: Annotated[bool, typer.Option("--json", help="Report the verdict as JSON.")] = False,
) -> int:
    """Would receive accept this file? Prints the canonical events, one a line."""
    from gateway.cli.verify import event

    return event(file, adapter=adapter, source=source, as_json=as_json)


@verify.command("webhook")
@reported
def verify_webhook(
    body: Path,
    headers: Annotated[Path, typer.Option(help="JSON object of the request's headers.")],
    secret: Annotated[str | None, typer.Option(help="whsec_...")] = None,
    public_key: Annotated[str | None, typer.Option(help="whpk_...")] = None,
    now: Annotated[int | None, typer.Option(help="Seconds since 1970 to judge the age by.")] = None,
) -> int:
    """Check a Standard Webhooks signature over a body."""
    from gateway.cli.verify_signature import signature

    return signature(body, headers, secret=secret, public_key=public_key, now=now)


@verify.command("proof")
@reported
def verify_proof(
    file: Annotated[Path, typer.Argument(help="The proof an alert came with.")],
    entry: Annotated[Path, typer.Option(help="The entry's exact bytes.")],
    vkey: Annotated[
        str | None, typer.Option(help="The log's public key, or a file that holds it.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Trust policy: whose witnesses must agree.")
    ] = None,
) -> int:
    """Is this entry in the log, and did enough witnesses see it?"""
    from gateway.cli.verify_witness import proof

    return proof(file, entry=entry, vkey=vkey, policy=policy)


@verify.command("pack")
@reported
def verify_pack(
    file: Annotated[Path, typer.Argument(help="The ZIP that `audit ... --zip` wrote.")],
    vkey: Annotated[
        str | None, typer.Option(help="The log's public key, or a file; else the pack's own word.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check every entry of an evidence pack against the log's key."""
    from gateway.cli.verify_pack import pack

    return pack(file, key=vkey, as_json=as_json)


@verify.command("inclusion")
@reported
def verify_inclusion(file: Path) -> int:
    """Check an inclusion proof: {leafIdx, treeSize, leafHash, root, proof}."""
    from gateway.cli.verify_log import inclusion

    return inclusion(file)


@verify.command("consistency")
@reported
def verify_consistency(file: Path) -> int:
    """Check a consistency proof: {size1, size2, root1, root2, proof}."""
    from gateway.cli.verify_log import consistency

    return consistency(file)


@verify.command("checkpoint")
@reported
def verify_checkpoint(
    note: Path,
    key: Annotated[
        str, typer.Option("--key", "--vkey", help="vkey of the log, or a file holding it.")
    ],
) -> int:
    """Check a signed checkpoint against the log's key."""
    from gateway.cli.verify_log import checkpoint

    return checkpoint(note, key)


@verify.command("log")
@reported
def verify_whole_log(
    target: Annotated[
        str, typer.Argument(metavar="DIR|URL", help="An instance, an exported bundle, or a URL.")
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", "--vkey", help="vkeys you trust, or a file; else those the log claims."
        ),
    ] = None,
    held: Annotated[
        Path | None,
        typer.Option(help="A checkpoint you kept: finds a log cut back or rewritten since."),
    ] = None,
) -> int:
    """Rebuild the whole tree; every checkpoint signed and consistent with the next."""
    from gateway.cli.verify_log import log as check

    return check(target, key, held=held)
