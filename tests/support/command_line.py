"""The command line, run as its users run it: another process beside the tests."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.quick import command


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with `--json`."""
        return orjson.loads(self.out)


async def throughgate(*words: object) -> Done:
    """Run a command to its end; nothing that it meets may end in a traceback."""
    started = await asyncio.create_subprocess_exec(
        *command(),
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (part.decode() for part in await started.communicate())
    assert "Traceback" not in err, err
    return Done(code=started.returncode or 0, out=out, err=err)
