"""The recipient kit, with cryptography and joserfc alone: `open`, `verify envelope`, `verify
webhook`, `verify proof`.

Read with argparse, so that nothing a gateway needs and a recipient does not is imported here.
"""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from keys.problem import KeyProblem

OK: Final = 0
NO: Final = 1
USAGE: Final = 2

MAX_FILE: Final = 16 << 20
_GROUPS: Final = frozenset({"verify"})


class BadUse(Exception):
    """Something the user can mend; the text says what."""


def takes(arguments: Sequence[str]) -> bool:
    """Return whether these arguments are for a command of the kit."""
    words = tuple(arguments[:2])
    return words[:1] in _COMMANDS or words in _COMMANDS


def run(arguments: Sequence[str]) -> int:
    """Run a command of the kit and return its exit code: 0 yes, 1 refused, 2 usage."""
    words = 2 if arguments[0] in _GROUPS else 1
    command = tuple(arguments[:words])
    parser = argparse.ArgumentParser(prog=f"throughgate {' '.join(command)}", allow_abbrev=False)
    act = _COMMANDS[command](parser)
    given = parser.parse_args(list(arguments[words:]))
    try:
        return act(given)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stdout = None  # or flushing at exit would say it again
        return OK
    except OSError as error:
        say(f"throughgate: {error.filename}: {error.strerror}")
    except (BadUse, KeyProblem) as error:
        say(f"throughgate: {error}")
    return USAGE


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """Return a file's bytes.

    Raises:
        OSError: it cannot be read, or is larger than `limit` bytes.
    """
    with path.open("rb") as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return raw


def say(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{line}\n")


def show(line: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{line}\n")


def is_ours_to_explain(error: ModuleNotFoundError) -> bool:
    """Return whether a module is missing because only the kit is installed."""
    ours = ("gateway", "adapters", "policies", "keys")
    return error.name is not None and error.name.partition(".")[0] not in ours


def explain() -> int:
    """Say what this installation can do and how to get the rest."""
    named = ", ".join(" ".join(words) for words in _COMMANDS)
    say(f"throughgate: only the recipient kit is installed ({named}).")
    say("For everything else install throughgate[gateway].")
    return USAGE


_Act = Callable[[argparse.Namespace], int]


def _open(parser: argparse.ArgumentParser) -> _Act:
    parser.description = "Open an alert with the recipient's own key; plaintext to standard output."
    parser.add_argument("file", type=Path, help="A webhook body, a token, a mail or a CMS file.")
    parser.add_argument("--key", type=Path, required=True, help="The recipient's private key.")
    parser.add_argument(
        "--form", help="Write this form of it instead, as visor:xml; - for the one."
    )
    parser.add_argument(
        "--accept-cbc", action="store_true", help="Also open mail in AES-256-CBC, if signed inside."
    )
    parser.add_argument(
        "--signed-by", type=Path, help="Certificate: open only mail signed under exactly this one."
    )

    def act(given: argparse.Namespace) -> int:
        from gateway.cli.open import open_file

        return open_file(
            given.file,
            given.key,
            form=given.form,
            accept_cbc=given.accept_cbc,
            signed_by=given.signed_by,
        )

    return act


def _verify_envelope(parser: argparse.ArgumentParser) -> _Act:
    parser.description = "Say what a sealed file is and whether it is within the profile; no key."
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="Report the verdict as JSON.")

    def act(given: argparse.Namespace) -> int:
        from gateway.cli.verify_envelope import envelope

        return envelope(given.file, as_json=given.json)

    return act


def _verify_webhook(parser: argparse.ArgumentParser) -> _Act:
    parser.description = "Check a Standard Webhooks signature over a body."
    parser.add_argument("body", type=Path)
    parser.add_argument("--headers", type=Path, required=True, help="JSON object of the headers.")
    parser.add_argument("--secret", help="whsec_...")
    parser.add_argument("--public-key", help="whpk_...")
    parser.add_argument("--now", type=int, help="Seconds since 1970 to judge the age by.")

    def act(given: argparse.Namespace) -> int:
        from gateway.cli.verify_signature import signature

        return signature(
            given.body,
            given.headers,
            secret=given.secret,
            public_key=given.public_key,
            now=given.now,
        )

    return act


def _verify_proof(parser: argparse.ArgumentParser) -> _Act:
    parser.description = "Check that an entry is in the log, and that enough witnesses saw it."
    parser.add_argument("file", type=Path, help="The proof an alert came with.")
    parser.add_argument("--entry", type=Path, required=True, help="The entry's exact bytes.")
    parser.add_argument("--vkey", help="The log's public key, or a file that holds it.")
    parser.add_argument("--policy", type=Path, help="Trust policy: whose witnesses must agree.")

    def act(given: argparse.Namespace) -> int:
        from gateway.cli.verify_witness import proof

        return proof(given.file, entry=given.entry, vkey=given.vkey, policy=given.policy)

    return act


def _verify_pack(parser: argparse.ArgumentParser) -> _Act:
    parser.description = "Check every entry of an evidence pack against the log's key."
    parser.add_argument("file", type=Path, help="The ZIP.")
    parser.add_argument("--vkey", help="The log's public key, or a file that holds it.")
    parser.add_argument("--json", action="store_true", help="Report as JSON.")

    def act(given: argparse.Namespace) -> int:
        from gateway.cli.verify_pack import pack

        return pack(given.file, key=given.vkey, as_json=given.json)

    return act


_COMMANDS: Final[dict[tuple[str, ...], Callable[[argparse.ArgumentParser], _Act]]] = {
    ("open",): _open,
    ("verify", "envelope"): _verify_envelope,
    ("verify", "webhook"): _verify_webhook,
    ("verify", "proof"): _verify_proof,
    ("verify", "pack"): _verify_pack,
}
