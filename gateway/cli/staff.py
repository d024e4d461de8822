"""`staff add|list|revoke|new-link`: who may sign in to the console, and how they begin."""

import base64
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

import orjson
import typer

from gateway import clock
from gateway.cli.beside import commit, opened
from gateway.cli.beside import staff as checked_by
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import Config, load_config
from gateway.instance import sealed_store
from gateway.model.ids import AgencyName
from gateway.model.staff import Staff, StaffId, StaffRole
from gateway.model.strict_json import JsonObject
from gateway.store import staff as accounts
from gateway.store.directory import agencies, recipients
from gateway.store.staff import Account

_TOKEN_BYTES: Final = 16
_ROLES: Final[tuple[StaffRole, ...]] = get_args(StaffRole)
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._\-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `staff add` was asked for."""

    id: str
    roles: Sequence[str]
    agencies: Sequence[str]
    organisations: Sequence[str]
    subject: str | None


def add(config_file: Path, wanted: Wanted, *, by: str) -> int:
    """Make an account; print its enrolment link, and nothing else.

    What is printed is printed once: whoever follows it first signs in as that account.

    Raises:
        Trouble: an unknown role, agency or organisation; roles that do not go together; the id is
            or was somebody's; `by` is no role or staff id.
    """
    config = load_config(config_file)
    by = checked_by(by)
    staff = _staff(config, wanted)
    token = None if staff.subject is not None else _token()
    link = None if token is None else accounts.link_digest(sealed_store(config), token)
    if not commit(config, accounts.add(staff, link=link, by=by, now=clock.now())):
        raise Trouble("that id or subject is, or was, another account's: ids are used once", NO)
    if token is None:
        typer.echo(f"{staff.id}: signs in with the provider, at {_console(config)}")
    else:
        typer.echo(_link(config, token))
    return OK


def listed(config_file: Path, *, as_json: bool = False) -> int:
    """Print every account, by id."""
    with opened(load_config(config_file)) as connection:
        found = accounts.listed(connection, clock.now())
    if as_json:
        typer.echo(orjson.dumps([_json(one) for one in found]).decode())
        return OK
    if not found:
        typer.echo("nobody may sign in yet; throughgate staff add ID --role ROLE --by WHO")
    for one in found:
        typer.echo(_line(one))
    return OK


def revoke(config_file: Path, id_: str, *, by: str) -> int:
    """End an account for good.

    Raises:
        Trouble: no such account is in force; `by` is no role or staff id.
    """
    config = load_config(config_file)
    if not commit(config, accounts.revoke(id_, by=checked_by(by), now=clock.now())):
        raise Trouble("no account of that id is in force", NO)
    typer.echo(f"{id_}: revoked; signed out everywhere")
    return OK


def new_link(config_file: Path, id_: str, *, lost: bool, by: str) -> int:
    """Print a new enrolment link, and nothing else; the one before is void.

    Raises:
        Trouble: no such account is in force; passkeys are off; `by` is no role or staff id.
    """
    config = load_config(config_file)
    by = checked_by(by)
    _passkeys_on(config)
    token = _token()
    link = accounts.link_digest(sealed_store(config), token)
    if not commit(config, accounts.offer(id_, link, lost=lost, by=by, now=clock.now())):
        raise Trouble("no account of that id is in force", NO)
    typer.echo(_link(config, token))
    return OK


def _staff(config: Config, wanted: Wanted) -> Staff:
    if not _ID.fullmatch(wanted.id):
        raise Trouble("ID: small letters, digits and . _ - (at most 40): dpo-01, never a name")
    subject = None
    if wanted.subject is not None:
        if config.console.oidc is None:
            raise Trouble("--subject: needs [console.oidc]")
        subject = f"{config.console.oidc.issuer} {wanted.subject}"
    else:
        _passkeys_on(config)
    _known(config, wanted)
    return Staff(
        id=StaffId(wanted.id),
        roles=_roles(wanted),
        agencies=frozenset(AgencyName(one) for one in wanted.agencies),
        organisations=frozenset(wanted.organisations),
        subject=subject,
    )


def _roles(wanted: Wanted) -> frozenset[StaffRole]:
    roles = frozenset(wanted.roles)
    if not roles or not roles <= set(_ROLES):
        raise Trouble(f"--role: one of {', '.join(_ROLES)}")
    if "operator" in roles and (len(roles) > 1 or wanted.agencies or wanted.organisations):
        raise Trouble("an operator sees no person: no other role, agency or organisation with it")
    if "operator" not in roles and not (wanted.agencies or wanted.organisations):
        raise Trouble("--agency or --organisation: say whom they act for: else they see nothing")
    return cast("frozenset[StaffRole]", roles)


def _known(config: Config, wanted: Wanted) -> None:
    """Refuse names that are not in the directory: a mistyped one would see nothing, and not say."""
    with opened(config) as connection:
        registered = agencies(connection)
        organisations = {one.organisation for one in recipients(connection).values()}
    for one in wanted.agencies:
        if AgencyName(one) not in registered:
            raise Trouble(f"--agency: {one} is not registered", NO)
    for one in wanted.organisations:
        if one not in organisations:
            raise Trouble(f"--organisation: no recipient is of {one}", NO)


def _passkeys_on(config: Config) -> None:
    if not config.console.passkeys:
        raise Trouble("[console] passkeys is false: give --subject, and sign in with the provider")


def _token() -> str:
    return base64.urlsafe_b64encode(os.urandom(_TOKEN_BYTES)).decode().rstrip("=")


def _console(config: Config) -> str:
    return f"{config.instance.public_url}/console"


def _link(config: Config, token: str) -> str:
    return f"{_console(config)}/enrol/{token}"


def _signs_in(one: Account) -> str:
    if not one.staff.active:
        return "revoked"
    ways = ["provider"] if one.staff.subject else []
    ways += [f"{one.passkeys} passkey{'' if one.passkeys == 1 else 's'}"] if one.passkeys else []
    ways += ["link offered"] if one.offered else []
    return ", ".join(ways) or "cannot sign in: throughgate staff new-link"


def _line(one: Account) -> str:
    whom = [*sorted(one.staff.agencies), *sorted(one.staff.organisations)]
    return "  ".join(
        [
            one.staff.id,
            ", ".join(sorted(one.staff.roles)),
            "for " + "; ".join(whom) if whom else "for no controller",
            _signs_in(one),
            f"since {one.added_at.date().isoformat()} by {one.added_by}",
        ]
    )


def _json(one: Account) -> JsonObject:
    return {
        "id": one.staff.id,
        "roles": [str(role) for role in sorted(one.staff.roles)],
        "agencies": [str(agency) for agency in sorted(one.staff.agencies)],
        "organisations": [str(named) for named in sorted(one.staff.organisations)],
        "active": one.staff.active,
        "provider": one.staff.subject is not None,
        "passkeys": one.passkeys,
        "offered": one.offered,
        "since": one.added_at.isoformat(),
        "by": one.added_by,
    }
