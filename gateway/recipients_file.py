"""Reading a file of recipients, TOML or CSV, into the directory's types; every fault is named."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final, Literal

from adapters.contract import Adapter
from gateway.batch_terms import batch_terms
from gateway.channels.addresses import check_https_url, check_mailbox, check_phone
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.simulator import is_simulated
from gateway.mailboxes import is_for
from gateway.mesh_mailbox.messages import check_mailbox_id
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.keyring import HeldKey, RecipientKey
from gateway.model.party import AssociateDesignation, ChannelName, Endpoint, QuietHours, Recipient
from gateway.rendering import forms_of, full_name
from keys.certificates import parse_certificate
from keys.problem import KeyProblem
from keys.seal import recipient_key
from policies.catalogue import Catalogues

MAX_STEP: Final = 9

_RECIPIENT_KEYS = {
    "id", "organisation", "organisation_class", "role", "areas", "country", "agreement_ref",
    "associate", "manager", "renditions", "endpoint", "deputies", "duty_desk", "standby", "quiet",
    "digest",
}  # fmt: skip
_ENDPOINT_KEYS = {
    "channel", "address", "key_form", "key", "key_file", "key_confirmed_by", "key_valid_until",
    "trust", "signing_secret", "smime", "cbc_accepted", "route", "step", "exercise", "batches",
    "batch_bytes",
}  # fmt: skip
_CSV_COLUMNS = (
    "id", "organisation", "organisation_class", "role", "areas", "country", "agreement_ref",
    "manager", "renditions", "associate_reference", "associate_designated_on", "associate_ends_on",
    "deputies", "duty_desk", "standby", "quiet", "digest", *sorted(_ENDPOINT_KEYS),
)  # fmt: skip


class BadRecipients(Exception):
    """The file cannot be imported: nothing of it was. `faults` names each by recipient and key."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a recipient's entry is checked against."""

    catalogues: Catalogues
    policy: OutboundPolicy
    now: datetime
    adapters: Mapping[str, Adapter] = field(default_factory=dict)  # that write forms
    routes: frozenset[str] = frozenset()  # names of mail routes
    simulator: bool = False  # its addresses may be registered
    confirmed_by: str | None = None  # who compared the fingerprint of every key in the file
    anchored: bool = False  # certificates may rest on an anchor


def read_recipients(file: Path, known: Known) -> list[Recipient]:
    """Read a TOML or CSV file of recipients.

    Raises:
        BadRecipients: with every fault; values are never quoted.
    """
    try:
        text = file.read_text("utf-8")
        items = _csv_items(text) if file.suffix.lower() == ".csv" else _toml_items(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRecipients([f"{file}: {error}"]) from None
    faults: list[str] = []
    found: list[Recipient] = []
    for number, item in enumerate(items, 1):
        where = str(item.get("id") or f"recipient {number}")
        try:
            found.append(_recipient(item, file.parent, known))
        except (ValueError, KeyProblem, OSError) as error:
            faults.append(f"{where}: {error}")
    if len({one.id for one in found}) != len(found):
        faults.append("the same id appears twice")
    if faults:
        raise BadRecipients(faults)
    return found


def _toml_items(text: str) -> list[dict[str, Any]]:
    values = tomllib.loads(text)
    if set(values) - {"recipient"} or not isinstance(values.get("recipient"), list):
        raise BadRecipients(["the file holds [[recipient]] tables and nothing else"])
    return list(values["recipient"])


def _csv_items(text: str) -> list[dict[str, Any]]:
    """Return one item per id; each row of an id adds an endpoint."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    unknown = set(reader.fieldnames or ()) - set(_CSV_COLUMNS)
    if unknown:
        raise BadRecipients([f"unknown columns: {', '.join(sorted(map(str, unknown)))}"])
    items: dict[str, dict[str, Any]] = {}
    for raw in reader:
        row = {name: value.strip() for name, value in raw.items() if value and value.strip()}
        endpoint = {name: row.pop(name) for name in _ENDPOINT_KEYS if name in row}
        associate = {
            name: row.pop(f"associate_{name}")
            for name in ("reference", "designated_on", "ends_on")
            if f"associate_{name}" in row
        }
        item: dict[str, Any] = dict(row)
        for several in ("areas", "renditions", "deputies"):
            item[several] = [one.strip() for one in row.get(several, "").split(";") if one.strip()]
        if associate:
            item["associate"] = associate
        held = items.setdefault(row.get("id", ""), item | {"endpoint": []})
        held["endpoint"].append(endpoint)
    return list(items.values())


def _recipient(item: Mapping[str, Any], folder: Path, known: Known) -> Recipient:
    _only(item, _RECIPIENT_KEYS)
    for name in ("id", "organisation", "organisation_class", "role"):
        if not isinstance(item.get(name), str) or not item[name]:
            raise ValueError(f"{name}: required")
    catalogues = known.catalogues
    if item["role"] not in catalogues.roles:
        raise ValueError("role: not one of " + ", ".join(sorted(catalogues.roles)))
    if item["organisation_class"] not in catalogues.organisations:
        classes = ", ".join(sorted(catalogues.organisations))
        raise ValueError(f"organisation_class: not one of {classes}")
    endpoints = item.get("endpoint") or []
    if not endpoints:
        raise ValueError("endpoint: at least one is required, or nobody can be told")
    channels = [(one.get("channel"), _flag(one.get("exercise"))) for one in endpoints]
    if len(set(channels)) != len(channels):
        raise ValueError("endpoint: one of each channel; another desk is another recipient")
    id_ = RecipientId(item["id"])
    return Recipient(
        id=id_,
        organisation=item["organisation"],
        organisation_class=item["organisation_class"],
        role=item["role"],
        areas=frozenset(item.get("areas", [])),
        endpoints=tuple(_endpoint(one, id_, folder, known) for one in endpoints),
        associate=_associate(item.get("associate")),
        country=item.get("country", "GB"),
        agreement_ref=item.get("agreement_ref"),
        manager=RecipientId(item["manager"]) if "manager" in item else None,
        renditions=_renditions(item.get("renditions", []), known.adapters),
        deputies=tuple(RecipientId(one) for one in item.get("deputies", [])),
        duty_desk=RecipientId(item["duty_desk"]) if "duty_desk" in item else None,
        standby=_flag(item.get("standby")),
        quiet=_quiet(item.get("quiet")),
        digest=_clock_time(item["digest"]) if "digest" in item else None,
    )


def _quiet(text: str | None) -> QuietHours | None:
    if text is None:
        return None
    begin, _, end = text.partition("-")
    found = QuietHours(begin=_clock_time(begin), end=_clock_time(end))
    if found.begin == found.end:
        raise ValueError("quiet: begins when it ends; give two times, as in 22:00-07:00")
    return found


def _clock_time(value: object) -> time:
    try:
        return value if isinstance(value, time) else time.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError("quiet, digest: times of day, as in 22:00-07:00 or 07:30") from None


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "yes", "1"}:
        return True
    if value is None or str(value).lower() in {"false", "no", "0", ""}:
        return False
    raise ValueError("exercise: true or false")


def _renditions(asked: Sequence[str], adapters: Mapping[str, Adapter]) -> tuple[str, ...]:
    found = [full_name(one, adapters) for one in asked]
    if None in found or len(set(found)) != len(found):
        forms = ", ".join(sorted(forms_of(adapters)))
        raise ValueError(f"renditions: each one of {forms}; none twice")
    return tuple(one for one in found if one is not None)


def _endpoint(
    item: Mapping[str, Any], recipient: RecipientId, folder: Path, known: Known
) -> Endpoint:
    _only(item, _ENDPOINT_KEYS)
    channel: ChannelName = item.get("channel")  # type: ignore[assignment]  # checked next
    if channel not in {"webhook", "email", "sms", "mesh"}:
        raise ValueError("channel: one of webhook, email, sms, mesh")
    address = _address(channel, item.get("address"), known)
    key = _key(item, folder)
    exercise = _flag(item.get("exercise"))
    _check_sealing(channel, address, key, item)
    batches, batch_bytes = batch_terms(channel, item)
    route = item.get("route")
    if route is not None and route not in known.routes:
        raise ValueError("route: none of the mail routes in the configuration")
    return Endpoint(
        id=EndpointId(f"{recipient}/{channel}" + ("-exercise" if exercise else "")),
        channel=channel,
        address=address,
        keys=(_held(key, item, known),) if key else (),
        signing_secret=item.get("signing_secret"),
        smime=item.get("smime"),
        cbc_accepted=item.get("cbc_accepted"),
        trust=_trust(item.get("trust", "confirmed"), anchored=known.anchored),
        route=route,
        step=_step(item.get("step", 1)),
        exercise=exercise,
        batches=batches,
        batch_bytes=batch_bytes,
    )


def _address(channel: ChannelName, address: object, known: Known) -> str:
    if not isinstance(address, str):
        raise ValueError("address: required")  # noqa: TRY004 - a fault in the file, not a bug
    if channel == "mesh":
        address = check_mailbox_id(address)
    elif channel == "sms":
        address = check_phone(address)
    elif channel == "webhook":
        check_https_url(address, policy=known.policy)
    else:
        check_mailbox(address)
    if is_simulated(channel, address) and not known.simulator:
        raise ValueError("address: the simulator's, and [simulator] enabled = true is not set")
    return address


def _check_sealing(
    channel: ChannelName, address: str, key: RecipientKey | None, item: Mapping[str, Any]
) -> None:
    if channel in {"webhook", "mesh"} and (key is None or key.form == "cms"):
        what = "webhook" if channel == "webhook" else "MESH mailbox"
        raise ValueError(f"key: a {what} needs an hpke or jwe key, or nothing may be sent to it")
    smime = item.get("smime")
    if smime not in {None, "gcm", "cbc"} or (smime and (key is None or key.form != "cms")):
        raise ValueError('smime: "gcm" or "cbc", with key_form = "cms" and a certificate')
    if (smime == "cbc") != ("cbc_accepted" in item):
        raise ValueError(
            'cbc_accepted: goes with smime = "cbc", and names the record of that agency\'s consent'
        )
    if key is not None and key.form == "cms" and not is_for(key, address):
        raise ValueError("key: the certificate is for another address")


def _key(item: Mapping[str, Any], folder: Path) -> RecipientKey | None:
    text = item.get("key")
    if "key_file" in item:
        text = (folder / item["key_file"]).read_text("utf-8").strip()
    if text is None:
        return None
    form = item.get("key_form", "hpke")
    if form not in {"hpke", "jwe", "cms"}:
        raise ValueError("key_form: one of hpke, jwe, cms")
    return recipient_key(form, text)


def _held(key: RecipientKey, item: Mapping[str, Any], known: Known) -> HeldKey:
    by = item.get("key_confirmed_by") or known.confirmed_by
    stated = item.get("key_valid_until")
    until = datetime.fromisoformat(str(stated)) if stated else None
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    anchored = key.form == "cms" and item.get("trust") == "anchor"
    return held_key(key, now=known.now, confirmed_by=by, valid_until=until, needs_vouching=anchored)


def held_key(
    key: RecipientKey,
    *,
    now: datetime,
    confirmed_by: str | None,
    valid_until: datetime | None = None,
    needs_vouching: bool = False,
) -> HeldKey:
    """Return a key as the directory takes it in, with its certificate's own dates. Pure.

    Raises:
        BadKey: a certificate cannot be parsed.
    """
    begins: datetime | None = None
    if key.form == "cms":
        certificate = parse_certificate(key.public)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        valid_until = min(valid_until, ends) if valid_until else ends
    return HeldKey(
        key=key,
        added_at=now,
        confirmed_at=now if confirmed_by else None,
        confirmed_by=confirmed_by,
        valid_from=begins,
        valid_until=valid_until,
        needs_vouching=needs_vouching,
    )


def _trust(text: object, *, anchored: bool) -> Literal["anchor", "confirmed"]:
    if text == "anchor" and not anchored:
        raise ValueError("trust: the configuration names no anchors ([certificates] anchors)")
    if text == "anchor":
        return "anchor"
    if text == "confirmed":
        return "confirmed"
    raise ValueError('trust: "anchor" (the certificate\'s chain too) or "confirmed"')


def _step(value: object) -> int:
    if not str(value).isdigit() or not 1 <= int(str(value)) <= MAX_STEP:
        raise ValueError(f"step: 1 (at once) to {MAX_STEP}")
    return int(str(value))


def _associate(item: Mapping[str, Any] | None) -> AssociateDesignation | None:
    if item is None:
        return None
    _only(item, {"reference", "designated_on", "ends_on"})
    return AssociateDesignation(
        reference=item["reference"],
        designated_on=_date(item["designated_on"]),
        ends_on=_date(item["ends_on"]) if "ends_on" in item else None,
    )


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _only(item: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(item) - known
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
