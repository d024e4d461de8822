"""The command group `witness`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption

witness = typer.Typer(
    help="A witness: cosigns a gateway's log only while it grows and never changes.",
    no_args_is_help=True,
)

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's own folder.")]
_Vkey = Annotated[
    str, typer.Argument(metavar="VKEY", help="The log's public key, or a file that holds it.")
]


@witness.command("init")
@reported
def witness_init(
    folder: _Folder,
    name: Annotated[str, typer.Option(help="Its name for ever, for example witness.example.org/1")],
) -> int:
    """Make a witness: two keys and an empty state; prints its public keys."""
    from gateway.cli.witness import init

    return init(folder, name)


@witness.command("add-log")
@reported
def witness_add_log(folder: _Folder, vkey: _Vkey) -> int:
    """Trust a log's key; a second one of the same log is trusted beside the first."""
    from gateway.cli.witness import add_log

    return add_log(folder, vkey)


@witness.command("drop-key")
@reported
def witness_drop_key(folder: _Folder, vkey: _Vkey) -> int:
    """Trust a log's key no more, once the log has changed to another."""
    from gateway.cli.witness import drop_key

    return drop_key(folder, vkey)


@witness.command("logs")
@reported
def witness_logs(folder: _Folder) -> int:
    """Print each log: origin, size last cosigned, when (seconds since 1970)."""
    from gateway.cli.witness import logs

    return logs(folder)


@witness.command("serve")
@reported
def witness_serve(
    folder: Annotated[Path, typer.Option("--dir", help="The witness's own folder.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8090,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM, with --tls-key.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM, with --tls-certificate.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front does the TLS.")
    ] = False,
) -> int:
    """Serve until told to stop."""
    from gateway.cli.witness import serve
    from gateway.witness.server import Listening

    listening = Listening(host=host, port=port, certificate=tls_certificate, key=tls_key)
    return serve(folder, listening, behind_proxy=behind_proxy)


@witness.command("cosign")
@reported
def witness_cosign(
    folder: _Folder,
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A checkpoint, or what `witness request` printed."),
    ],
    proof: Annotated[
        Path | None, typer.Option(help="The proof, if FILE is the checkpoint alone.")
    ] = None,
) -> int:
    """Cosign a checkpoint brought here, by USB stick for example; prints it cosigned."""
    from gateway.cli.witness import cosign

    return cosign(folder, checkpoint, proof)


@witness.command("request")
@reported
def witness_request(
    old: Annotated[int, typer.Option(min=0, help="Entries the witness knows already.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """At the gateway: print what to bring to a witness that no network reaches."""
    from gateway.cli.witness_offline import request

    return request(config, old)


@witness.command("accept")
@reported
def witness_accept(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="What witnesses' `cosign` printed.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """At the gateway: keep a checkpoint that enough witnesses cosigned."""
    from gateway.cli.witness_offline import accept

    return accept(config, files)
