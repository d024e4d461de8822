"""`recipients list|import|check|test`: who may be told, over which ways, and whether they work."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from pathlib import Path
from typing import Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway import clock
from gateway.adoption import law_in_force
from gateway.channels.handshake import Allowed, Refused, ask
from gateway.channels.http_client import GuardedClient
from gateway.cli.beside import commit, opened, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import Config, load_config
from gateway.consent import RATE_WISHED, Consents, ask_owners
from gateway.instance import load_keys, load_law, sealed_store
from gateway.model.ids import AlertId, RecipientId
from gateway.model.keyring import usable_key
from gateway.model.party import Endpoint, Recipient
from gateway.model.strict_json import Json, JsonObject
from gateway.recipients_file import BadRecipients, Known, read_recipients
from gateway.registration import register_recipients
from gateway.store import alerts, directory, second_factors
from gateway.store.engine import Connection

ANSWERED: Final = frozenset({"acknowledged", "accepted", "rejected", "actioned"})
_LOOK_EVERY_S: Final = 0.5


def listed(config_file: Path, *, as_json: bool) -> int:
    """Print the recipients and their ways; no address."""
    now = clock.now()
    with opened(load_config(config_file)) as reader:
        found = directory.recipients(reader).values()
    if as_json:
        rows: list[Json] = [_row(one) for one in found]
        typer.echo(orjson.dumps({"recipients": rows}).decode())
        return OK
    table = Table("recipient", "role", "way", "step", "sealed to", "then")
    for one in found:
        chain = " > ".join([*one.deputies, *([one.duty_desk] if one.duty_desk else [])])
        for endpoint in one.endpoints:
            key = usable_key(endpoint.keys, now)
            sealed = key if isinstance(key, str) else f"{key.key.form} {key.key.key_id[:8]}"
            kind = f"{endpoint.channel} (exercise)" if endpoint.exercise else endpoint.channel
            table.add_row(one.id, one.role, kind, str(endpoint.step), sealed, chain or "-")
    Console().print(table)
    return OK


def import_file(
    config_file: Path, file: Path, *, confirmed_by: str | None, without_asking: bool
) -> int:
    """Import recipients, all or none; owners of new webhooks are asked for their consent first."""
    config = load_config(config_file)
    try:
        found = read_recipients(file, _known(config, staff(confirmed_by) if confirmed_by else None))
    except BadRecipients as error:
        raise Trouble("nothing was imported:\n  " + "\n  ".join(error.faults)) from None
    strangers = list(_naming_nobody(config, found))
    if strangers:
        raise Trouble("nothing was imported:\n  " + "\n  ".join(strangers))
    if not without_asking:
        found = _with_consent(config, found)
    asyncio.run(register_recipients(config, found))
    for one in found:
        channels = ", ".join(endpoint.channel for endpoint in one.endpoints)
        typer.echo(f"{one.id}: {one.role} by {channels}")
    with opened(config) as reader:
        held = directory.recipients(reader)
    waiting = [
        endpoint.id
        for one in found
        for endpoint in held[one.id].endpoints
        if endpoint.keys and usable_key(endpoint.keys, clock.now()) == "unconfirmed"
    ]
    if waiting:
        typer.echo(
            "Not used until its fingerprint is confirmed (throughgate keys list, keys confirm): "
            + ", ".join(waiting),
            err=True,
        )
    return OK


def _with_consent(config: Config, found: Sequence[Recipient]) -> list[Recipient]:
    """Return the recipients with the rates their webhooks' owners allow.

    Raises:
        Trouble: one of them refused.
    """
    with opened(config) as reader:
        held = directory.recipients(reader)
    consents = asyncio.run(_ask(config, found, held))
    if consents.refused:
        lines = [f"{id_}: its owner does not consent ({code})" for id_, code in consents.refused]
        raise Trouble("nothing was imported:\n  " + "\n  ".join(lines), NO)
    for id_, code in consents.silent:
        typer.echo(f"{id_}: its owner said nothing of consent ({code})", err=True)
    return list(consents.recipients)


async def _ask(
    config: Config, found: Sequence[Recipient], held: Mapping[RecipientId, Recipient]
) -> Consents:
    from gateway.transport import guarded_client

    client = guarded_client(config)
    try:
        return await ask_owners(client, found, held, origin=config.instance.host)
    finally:
        await client.close()


def check(config_file: Path, only: str | None, *, as_json: bool) -> int:
    """Look at every way to recipients: key, address, consent. Exit 1 if one is unfit."""
    config = load_config(config_file)
    with opened(config) as reader:
        found = _chosen(directory.recipients(reader), only)
        unread = {one.id for one in found if not _may_read(reader, one)}
    rows = asyncio.run(_checked(config, found, unread))
    if as_json:
        typer.echo(orjson.dumps({"ways": list[Json](rows)}).decode())
    else:
        for row in rows:
            typer.echo(f"{row['endpoint']}: {row['verdict']}")
    return OK if all(row["fit"] for row in rows) else NO


def test(config_file: Path, id_: str, *, within_s: int, as_json: bool) -> int:
    """Send a test alert and wait for its answer. Exit 0 if a human answered, 1 if nobody did."""
    from gateway.adapters_of import adapters_of
    from gateway.assembly import disclosing_of, links_of
    from gateway.proving import Proving, send_test
    from gateway.rendering import rendering

    config = load_config(config_file)
    with opened(config) as reader:
        [recipient] = _chosen(directory.recipients(reader), id_)
        marker = directory.version(reader)
        rulebook = law_in_force(config, reader).law.rulebook
    sealed = sealed_store(config)
    proving = Proving(
        sealed=sealed,
        disclosing=disclosing_of(
            config, load_keys(config), rendering(adapters_of(config)), links_of(config, sealed)
        ),
        directory=lambda: marker,
        rulebook=rulebook.digest,
        new_id=clock.new_id,
        now=clock.now(),
    )
    alert = commit(config, send_test(recipient, timedelta(seconds=within_s), proving))
    if alert is None:
        raise Trouble("there is no live way to this recipient, or the directory just changed", NO)
    if not as_json:
        typer.echo(f"Sent {alert} to {id_}; waiting {within_s} s for an answer.", err=True)
    return _wait(config, alert, within_s, as_json=as_json)


def _wait(config: Config, alert: AlertId, within_s: int, *, as_json: bool) -> int:
    shown = ""
    until = time.monotonic() + within_s
    while True:
        with opened(config) as reader:
            row = alerts.find(reader, alert)
            state = alerts.state(reader, row, clock.now()) if row else "decided"
        if state != shown and not as_json:
            typer.echo(f"  {state}", err=True)
        shown = state
        if state in ANSWERED or time.monotonic() > until:
            break
        time.sleep(_LOOK_EVERY_S)
    if as_json:
        typer.echo(orjson.dumps({"alert": alert, "state": shown}).decode())
    elif shown in ANSWERED:
        typer.echo(f"answered: {shown}")
    else:
        typer.echo(f"nobody answered within {within_s} s; it stands at: {shown}")
    return OK if shown in ANSWERED else NO


def _known(config: Config, confirmed_by: str | None) -> Known:
    from gateway.adapters_of import adapters_of
    from gateway.transport import outbound_policy

    return Known(
        catalogues=load_law(config).catalogues,
        policy=outbound_policy(config),
        now=clock.now(),
        adapters=adapters_of(config),
        routes=frozenset(one.name for one in config.email.route) if config.email else frozenset(),
        simulator=config.simulator.enabled,
        confirmed_by=confirmed_by,
        anchored=bool(config.certificates.anchors),
    )


def _naming_nobody(config: Config, found: Sequence[Recipient]) -> Iterator[str]:
    """Yield a line for each recipient who names one that is neither here nor in the directory."""
    with opened(config) as reader:
        known = {*directory.recipients(reader), *(one.id for one in found)}
    for one in found:
        named = {"manager": [one.manager], "deputies": one.deputies, "duty_desk": [one.duty_desk]}
        for member, ids in named.items():
            if any(id_ is not None and id_ not in known for id_ in ids):
                yield f"{one.id}: {member}: no recipient has that id"


def _chosen(found: Mapping[RecipientId, Recipient], only: str | None) -> list[Recipient]:
    if only is None:
        return list(found.values())
    if RecipientId(only) not in found:
        raise Trouble("no recipient has that id")
    return [found[RecipientId(only)]]


def _may_read(reader: Connection, recipient: Recipient) -> bool:
    """Return whether a recipient can read what is not sealed to them: by a second factor."""
    found = second_factors.listed(reader, recipient.id)
    return any(not one.offered and one.revoked_at is None for one in found)


async def _checked(
    config: Config, found: Sequence[Recipient], unread: AbstractSet[RecipientId]
) -> list[JsonObject]:
    from gateway.transport import guarded_client

    client = guarded_client(config)
    try:
        ways = [(endpoint, one.id in unread) for one in found for endpoint in one.endpoints]
        return list(
            await asyncio.gather(*(_way(config, client, one, unread=no) for one, no in ways))
        )
    finally:
        await client.close()


async def _way(
    config: Config, client: GuardedClient, endpoint: Endpoint, *, unread: bool
) -> JsonObject:
    key = usable_key(endpoint.keys, clock.now())
    faults: list[str] = []
    if unread and isinstance(key, str) and endpoint.channel != "mesh":
        faults.append("its reader has no second factor (recipients enrol): notices lead nowhere")
    if isinstance(key, str) and (endpoint.channel in {"webhook", "mesh"} or endpoint.smime):
        faults.append(f"no key may be used ({key}): only notices leave")
    said = "fit"
    if endpoint.channel == "webhook":
        answer = await ask(client, endpoint.address, origin=config.instance.host, rate=RATE_WISHED)
        if isinstance(answer, Refused):
            faults.append(f"its owner does not consent ({answer.code})")
        elif isinstance(answer, Allowed):
            said = f"fit; its owner takes {answer.rate or 'any number of'} posts a minute"
        else:
            said = f"fit; its owner said nothing of consent ({answer.code})"
    return {
        "endpoint": endpoint.id,
        "fit": not faults,
        "verdict": "; ".join(faults) or said,
    }


def _row(one: Recipient) -> JsonObject:
    return {
        "id": one.id,
        "organisation_class": one.organisation_class,
        "role": one.role,
        "areas": list[Json](sorted(one.areas)),
        "deputies": list[Json](one.deputies),
        "duty_desk": one.duty_desk,
        "ways": [
            {
                "endpoint": endpoint.id,
                "channel": endpoint.channel,
                "step": endpoint.step,
                "exercise": endpoint.exercise,
                "keys": len(endpoint.keys),
            }
            for endpoint in one.endpoints
        ],
    }
