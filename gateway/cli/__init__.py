"""The command line: one file per command group, imported only when it is used."""

import sys


def main() -> None:
    """Run the `throughgate` command.

    What a recipient needs runs with the base dependencies alone (`gateway.cli.light`).
    """
    from gateway.cli import light

    arguments = sys.argv[1:]
    if light.takes(arguments):
        sys.exit(light.run(arguments))
    try:
        from gateway.cli.application import app
    except ModuleNotFoundError as error:
        if not light.is_ours_to_explain(error):
            raise
        sys.exit(light.explain())
    app()
