"""The command line: one file per command group, imported only when it is used."""

from gateway.cli.application import app


def main() -> None:
    """Run the `throughgate` command."""
    app()
