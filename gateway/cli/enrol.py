"""`recipients enrol|factors|revoke-factor`, `alerts new-link`: who reads at a pick-up page, and by
which link."""

import base64
import os
from pathlib import Path

import orjson
import typer

from gateway import clock
from gateway.cli.beside import commit, opened, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import Config, load_config
from gateway.instance import sealed_store
from gateway.links import Links
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.party import Form
from gateway.model.strict_json import JsonObject
from gateway.over_endpoint import unsealed_text
from gateway.second_factor import TOTP_SECRET_BYTES, otpauth_uri
from gateway.store import pick_ups, second_factors
from gateway.store.directory import recipients
from gateway.store.second_factors import Enrolled

_TOKEN_BYTES = 16


def enrol(config_file: Path, recipient: str, *, totp: bool, passkey: bool, by: str) -> int:
    """Enrol an authenticator app, or offer a passkey; print its URI or link, and nothing else.

    What is printed is printed once, and lets its reader read that recipient's alerts.

    Raises:
        Trouble: no such recipient; not exactly one kind; `by` is no role or staff id.
    """
    if totp == passkey:
        raise Trouble("give --totp or --passkey")
    config = load_config(config_file)
    by = staff(by)
    id_ = _known(config, recipient)
    typer.echo(_totp(config, id_, by) if totp else _passkey(config, id_, by))
    return OK


def factors(config_file: Path, recipient: str, *, as_json: bool = False) -> int:
    """Print a recipient's second factors, oldest first; never what they are checked against.

    Raises:
        Trouble: no such recipient, or none is enrolled.
    """
    config = load_config(config_file)
    id_ = _known(config, recipient)
    with opened(config) as connection:
        found = second_factors.listed(connection, id_)
    if as_json:
        typer.echo(orjson.dumps([_json(one) for one in found]).decode())
        return OK
    if not found:
        raise Trouble(
            f"{recipient} has no second factor and can read no alert at its page;"
            f" throughgate recipients enrol {recipient} --totp --by WHO",
            NO,
        )
    for one in found:
        typer.echo(_line(one))
    return OK


def revoke_factor(config_file: Path, factor: str, *, by: str) -> int:
    """End a second factor, or the offer of one.

    Raises:
        Trouble: no factor of that id is in force; `by` is no role or staff id.
    """
    config = load_config(config_file)
    by = staff(by)
    found = commit(config, second_factors.revoke(factor, by=by, now=clock.now()))
    if found is None:
        raise Trouble("no second factor of that id is in force", NO)
    typer.echo(f"{found.id}: {found.kind} of {found.recipient} revoked")
    return OK


def new_link(config_file: Path, alert: str, endpoint: str, *, by: str) -> int:
    """Send a new pick-up link over one endpoint; the one before is void.

    Raises:
        Trouble: no link of that alert was ever sent there, or the alert no longer stands.
    """
    config = load_config(config_file)
    by = staff(by)
    key = sealed_store(config).derive("links")
    links = Links(key=key, public_url=config.instance.public_url.rstrip("/"))

    def text_of(id_: AlertId, over: EndpointId, form: Form, issue: int) -> bytes:
        return unsealed_text(id_, over, form, links, issue=issue)

    unit = pick_ups.give_anew(alert, endpoint, by=by, text_of=text_of, now=clock.now())
    if not commit(config, unit):
        raise Trouble("no link of that alert was sent there, or the alert no longer stands", NO)
    typer.echo(f"{alert}: a new link goes to {endpoint}; the one before is void")
    return OK


def _known(config: Config, recipient: str) -> RecipientId:
    with opened(config) as connection:
        if RecipientId(recipient) not in recipients(connection):
            raise Trouble("no recipient has that id", NO)
    return RecipientId(recipient)


def _totp(config: Config, recipient: RecipientId, by: str) -> str:
    secret = os.urandom(TOTP_SECRET_BYTES)
    id_ = clock.new_id("fac")
    key = second_factors.factor_key(sealed_store(config))
    sealed = second_factors.seal_secret(key, id_, secret)
    commit(config, second_factors.add_totp(id_, recipient, sealed, by=by, now=clock.now()))
    return otpauth_uri(secret, recipient=recipient, issuer=config.instance.name)


def _passkey(config: Config, recipient: RecipientId, by: str) -> str:
    token = base64.urlsafe_b64encode(os.urandom(_TOKEN_BYTES)).decode().rstrip("=")
    digest = second_factors.offer_digest(sealed_store(config), token)
    id_ = clock.new_id("fac")
    commit(config, second_factors.offer_passkey(id_, recipient, digest, by=by, now=clock.now()))
    return f"{config.instance.public_url.rstrip('/')}/enrol/{token}"


def _standing(one: Enrolled) -> str:
    if one.revoked_at is not None:
        return "revoked"
    if not one.offered:
        return "in force"
    late = clock.now() > one.enrolled_at + second_factors.OFFER_LASTS
    return "offer expired" if late else "offered"


def _line(one: Enrolled) -> str:
    day = one.enrolled_at.date().isoformat()
    return f"{one.id}  {one.kind}  {_standing(one)}  since {day} by {one.enrolled_by}"


def _json(one: Enrolled) -> JsonObject:
    return {
        "id": one.id,
        "recipient": one.recipient,
        "kind": one.kind,
        "state": _standing(one),
        "since": one.enrolled_at.isoformat(),
        "by": one.enrolled_by,
    }
