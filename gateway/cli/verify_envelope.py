"""`verify envelope`: what a sealed file is, and whether it is within the profile. No key."""

import json
from pathlib import Path

from gateway.cli.light import NO, OK, read_file, show
from keys.envelope import Envelope, examine


def envelope(file: Path, *, as_json: bool) -> int:
    """Say what the file is: exit 0 within the profile, 1 outside it, with every fault.

    Raises:
        OSError: the file cannot be read.
    """
    found = examine(read_file(file))
    show(json.dumps(_as_json(found))) if as_json else _show(found)
    return NO if found.faults else OK


def _as_json(found: Envelope) -> dict[str, object]:
    return {
        "in_profile": not found.faults,
        "form": found.form,
        "wrapping": found.wrapping,
        "algorithms": dict(found.algorithms),
        "key_id": found.key_id,
        "sizes": dict(found.sizes),
        "faults": [{"code": one.code, "text": one.text} for one in found.faults],
    }


def _show(found: Envelope) -> None:
    show(f"{found.form} ({found.wrapping})")
    for name, value in found.algorithms.items():
        show(f"  {name}: {value}")
    if found.key_id is not None:
        show(f"  key: {found.key_id}")
    for name, length in found.sizes.items():
        show(f"  {name}: {length} bytes")
    for one in found.faults:
        show(f"refused: {one.code}: {one.text}")
    if not found.faults:
        show("ok: within the profile; who sealed it, and whether it opens, is not said by this")
