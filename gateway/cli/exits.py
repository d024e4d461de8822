"""Exit codes, and the one place where a known trouble becomes a line and a code."""

import functools
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

import typer

P = ParamSpec("P")

OK = 0
NO = 1
USAGE = 2
UNKNOWN = 3


class Trouble(Exception):
    """Something the user can mend; the text says what. `code` is the exit code."""

    def __init__(self, text: str, code: int = USAGE) -> None:
        self.code = code
        super().__init__(text)


def reported(command: Callable[P, int]) -> Callable[P, NoReturn]:
    """Turn a function that returns an exit code into a command; known troubles become one line."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> NoReturn:
        from adapters.contract import UnsupportedEvent
        from gateway.cli.light import BadUse
        from gateway.config import BadConfig
        from gateway.store.sqlite import StoreUnavailable
        from keys.problem import KeyProblem
        from policies.problem import BadRulebook

        try:
            code = command(*args, **kwargs)
        except Trouble as error:
            typer.echo(f"throughgate: {error}", err=True)
            code = error.code
        except (BadConfig, BadRulebook, BadUse, KeyProblem, StoreUnavailable) as error:
            typer.echo(f"throughgate: {error}", err=True)
            code = USAGE
        except UnsupportedEvent as error:
            typer.echo(f"throughgate: {error}", err=True)
            code = NO
        except BrokenPipeError:  # the reader of our output has seen enough
            sys.stdout = None  # or flushing at exit would say it again
            code = OK
        except OSError as error:
            typer.echo(f"throughgate: {error.filename}: {error.strerror}", err=True)
            code = USAGE
        raise typer.Exit(code)

    return run


def read_file(path: object, limit: int = 16 * 1024 * 1024) -> bytes:
    """Return a file's bytes.

    Raises:
        Trouble: it cannot be read, or is larger than `limit` bytes.
    """
    from pathlib import Path

    file = Path(str(path))
    try:
        if file.stat().st_size > limit:
            raise Trouble(f"{file} is larger than {limit} bytes")
        return file.read_bytes()
    except OSError as error:
        raise Trouble(f"cannot read {file}: {error.strerror}") from None
