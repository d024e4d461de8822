"""`verify certificate` and `verify envelope`, as commands of the `verify` group."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported


def certificate_command(
    chain: Annotated[
        Path, typer.Argument(metavar="CHAIN", help="PEM, the recipient's certificate first.")
    ],
    anchors: Annotated[Path, typer.Option(help="PEM of the certificates that are trusted.")],
    address: Annotated[str, typer.Option(help="Mail address it must be issued for.")],
    at: Annotated[str | None, typer.Option(help="Time to judge by; now if not given.")] = None,
    crl: Annotated[list[Path] | None, typer.Option(help="A CRL in hand; repeatable.")] = None,
    ocsp: Annotated[
        list[Path] | None, typer.Option(help="An OCSP answer in hand; repeatable.")
    ] = None,
    require: Annotated[
        bool,
        typer.Option("--require-revocation", help="Refuse without a fresh CRL or OCSP answer."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report the verdict as JSON.")] = False,
) -> int:
    """May mail be sealed to this certificate? Offline; every reason against it is named."""
    from gateway.cli.verify_certificate import certificate

    return certificate(
        chain,
        anchors=anchors,
        address=address,
        at=at,
        crls=crl or (),
        answers=ocsp or (),
        revocation="required" if require else "when-stated",
        as_json=as_json,
    )


def envelope_command(
    file: Path,
    as_json: Annotated[bool, typer.Option("--json", help="Report the verdict as JSON.")] = False,
) -> int:
    """What is this sealed file, and is it within the profile? Without any key."""
    from gateway.cli.verify_envelope import envelope

    return envelope(file, as_json=as_json)


def add_to(group: typer.Typer) -> None:
    """Add both commands to the `verify` group."""
    group.command("certificate")(reported(certificate_command))
    group.command("envelope")(reported(envelope_command))
