"""`keys list|import|confirm|revoke|check`: recipients' keys in the directory."""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway import clock
from gateway.cli.beside import staff
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.config import Config, load_config
from gateway.key_warnings import KeyWarning, key_warnings
from gateway.mailboxes import is_for
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import HeldKey, KeyChange, changing, joined, usable_key
from gateway.model.party import Endpoint, Recipient
from gateway.model.strict_json import JsonObject
from gateway.recipients_file import held_key
from gateway.registration import change_keys_of
from gateway.store import directory
from gateway.store.place import place_of
from keys.fingerprints import fingerprint, printed, same_fingerprint
from keys.seal import recipient_key

REASONS: Final = ("compromised", "lost", "superseded", "left", "unspecified")


def list_held(config_file: Path, recipient: str | None, *, as_json: bool) -> int:
    """Print the keys that the directory holds."""
    now = clock.now()
    rows = [
        _row(endpoint, held, now)
        for one in _recipients(load_config(config_file), recipient).values()
        for endpoint in one.endpoints
        for held in endpoint.keys
    ]
    if as_json:
        typer.echo(orjson.dumps({"keys": rows}).decode())
        return OK
    table = Table("endpoint", "form", "fingerprint", "stands", "valid until", "confirmed by")
    for row in rows:
        table.add_row(
            str(row["endpoint"]),
            str(row["form"]),
            printed(str(row["fingerprint"])),
            str(row["stands"]),
            str(row["valid_until"] or "-"),
            str(row["confirmed_by"] or "-"),
        )
    Console().print(table)
    return OK


def add(
    config_file: Path, endpoint: str, file: Path, *, form: str, by: str, valid_until: str | None
) -> int:
    """Add a key, unconfirmed, and say what to read out."""
    by = staff(by)
    if form not in {"hpke", "jwe", "cms"}:
        raise Trouble("--form: one of hpke, jwe, cms")
    text = read_file(file, 64 * 1024).decode("utf-8", "replace").strip()
    key = recipient_key(form, text)  # type: ignore[arg-type]  # checked above
    config = load_config(config_file)
    at = _endpoint(config, endpoint)
    if key.form == "cms" and (at.channel != "email" or not is_for(key, at.address)):
        raise Trouble("the certificate is for another address than this endpoint's")
    held = held_key(
        key,
        now=clock.now(),
        confirmed_by=None,
        valid_until=_time(valid_until) if valid_until else None,
        needs_vouching=key.form == "cms" and at.trust == "anchor",
    )
    if any(one.key.key_id == key.key_id for one in at.keys):
        raise Trouble("this endpoint has that key already; `keys list` shows how it stands")
    _change(config, at.id, lambda keys: joined(keys, (held,)), "key-added", key.key_id, by)
    typer.echo(
        f"Added to {endpoint}, not used yet. Have its holder read you the fingerprint by another"
        f" way (in person, or on a number you already have), then:\n"
        f"  throughgate keys confirm {endpoint} 'FINGERPRINT' --by WHO --config {config_file}\n"
        f"It should be  {printed(fingerprint(key))}"
    )
    return OK


def confirm(config_file: Path, endpoint: str, read_out: str, *, by: str) -> int:
    """Confirm the key whose whole fingerprint this is."""
    by = staff(by)
    config = load_config(config_file)
    at = _endpoint(config, endpoint)
    found = [one for one in at.keys if same_fingerprint(one.key, read_out)]
    if not found:
        typer.echo("refused: no key of this endpoint has that fingerprint; do not use it", err=True)
        return NO
    [held] = found
    now = clock.now()
    if held.trouble(now) in {"revoked", "expired"}:
        typer.echo("refused: that key was revoked, or ended; its holder needs a new one", err=True)
        return NO
    if usable_key(at.keys, now) == held:
        typer.echo(f"{endpoint}: that key is in use, confirmed by {held.confirmed_by}")
        return OK

    def confirming(one: HeldKey) -> HeldKey:
        return one if one.revoked_at else replace(one, confirmed_at=now, confirmed_by=by)

    change = changing(held.key.key_id, confirming)
    _change(config, at.id, change, "key-confirmed", held.key.key_id, by)
    [after] = [one for one in change(at.keys) if one.key.key_id == held.key.key_id]
    trouble = after.trouble(now)
    typer.echo(
        f"{endpoint}: confirmed, but not used yet ({trouble})"
        if trouble
        else f"{endpoint}: alerts are sealed to that key from now on"
    )
    return OK


def revoke(config_file: Path, endpoint: str, key_id: str, *, by: str, reason: str) -> int:
    """Revoke a key; what waits to leave is sealed anew, or a notice leaves in its place."""
    by = staff(by)
    if reason not in REASONS:
        raise Trouble(f"--reason: one of {', '.join(REASONS)}")
    if len(key_id) < 8:
        raise Trouble("give at least the first 8 characters of the key's id")
    config = load_config(config_file)
    at = _endpoint(config, endpoint)
    found = [one.key.key_id for one in at.keys if one.key.key_id.startswith(key_id)]
    if len(found) != 1:
        raise Trouble("no key of this endpoint begins so" if not found else "more than one does")
    now = clock.now()

    def revoking(one: HeldKey) -> HeldKey:
        since, why = one.revoked_at or now, one.revoked_for or reason
        return replace(one, revoked_at=since, revoked_for=why)

    change = changing(found[0], revoking)
    _change(config, at.id, change, f"key-revoked-{reason}", found[0], by)
    left = usable_key(change(at.keys), now)
    typer.echo(
        f"{endpoint}: revoked. "
        + (
            "No other key may be used: only content-free notices leave until one is confirmed."
            if isinstance(left, str)
            else "What waits to leave is sealed anew to the other key before it does."
        )
    )
    return OK


def check(config_file: Path, *, at: str | None, as_json: bool) -> int:
    """Print what wants doing; exit 1 if some endpoint has no key that may be used."""
    now = _time(at) if at else clock.now()
    found = list(key_warnings(_recipients(load_config(config_file), None).values(), now))
    if as_json:
        typer.echo(orjson.dumps({"warnings": [_warned(one) for one in found]}).decode())
    else:
        for one in found:
            typer.echo(_sentence(one, now))
        if not found:
            typer.echo("every key may be used, and none ends within 60 days")
    return NO if any(one.unusable for one in found) else OK


def _sentence(one: KeyWarning, now: datetime) -> str:
    if one.unusable is not None:
        return f"{one.endpoint}: no key may be used ({one.unusable}); only notices leave"
    assert one.ends is not None  # noqa: S101 - it is one or the other
    return f"{one.endpoint}: its key ends in {(one.ends - now).days} days; ask for a new one now"


def _warned(one: KeyWarning) -> JsonObject:
    return {
        "endpoint": one.endpoint,
        "unusable": one.unusable,
        "ends": one.ends.isoformat() if one.ends else None,
        "within_days": one.within_days,
    }


def _row(endpoint: Endpoint, held: HeldKey, now: datetime) -> JsonObject:
    used = usable_key(endpoint.keys, now)
    stands = held.trouble(now) or ("in use" if held is used else "usable")
    return {
        "endpoint": endpoint.id,
        "form": held.key.form,
        "key_id": held.key.key_id,
        "fingerprint": fingerprint(held.key),
        "stands": stands,
        "valid_until": held.valid_until.isoformat() if held.valid_until else None,
        "confirmed_by": held.confirmed_by,
        "revoked_for": held.revoked_for,
    }


def _recipients(config: Config, only: str | None) -> dict[RecipientId, Recipient]:
    with closing(place_of(config).open_reader()) as reader:
        found = dict(directory.recipients(reader))
    if only is None:
        return found
    if RecipientId(only) not in found:
        raise Trouble("no recipient has that id")
    return {RecipientId(only): found[RecipientId(only)]}


def _endpoint(config: Config, id_: str) -> Endpoint:
    endpoints = {
        one.id: one for each in _recipients(config, None).values() for one in each.endpoints
    }
    found = endpoints.get(EndpointId(id_))
    if found is None:
        raise Trouble("no such endpoint; they are named RECIPIENT/CHANNEL")
    return found


def _change(
    config: Config,
    endpoint: EndpointId,
    change: KeyChange,
    action: str,
    key_id: str,
    by: str,
) -> None:
    asyncio.run(change_keys_of(config, endpoint, change, action=action, key_id=key_id, by=by))


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble("a time is RFC 3339, as 2027-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
