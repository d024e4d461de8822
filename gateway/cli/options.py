"""Options that many commands have."""

from pathlib import Path
from typing import Annotated, Final

import typer

DEFAULT_CONFIG: Final = Path("throughgate.toml")

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", envvar="THROUGHGATE_CONFIG", help="Configuration file of the instance."
    ),
]
ByOption = Annotated[
    str, typer.Option("--by", help="Role or staff id of who does this; it enters the log.")
]
ReaderOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        envvar="THROUGHGATE_BY",
        help="Role or staff id of who reads; else the machine's account. It enters the log.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
