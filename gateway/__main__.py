"""`python -m gateway` is the `throughgate` command."""

from gateway.cli import main

main()
