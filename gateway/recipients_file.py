"""Reading a file of recipients, TOML or CSV, into the directory's types; every fault is named."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from adapters.contract import Adapter
from gateway.channels.addresses import check_https_url, check_mailbox, check_phone
from gateway.channels.outbound import OutboundPolicy
from gateway.mesh_mailbox.messages import check_mailbox_id
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import (
    AssociateDesignation,
    ChannelName,
    Endpoint,
    Recipient,
    RecipientKey,
)
from gateway.rendering import forms_of, full_name
from keys.certificates import rfc822_names
from keys.problem import KeyProblem
from keys.seal import recipient_key
from policies.catalogue import Catalogues

_RECIPIENT_KEYS = {
    "id", "organisation", "organisation_class", "role", "areas", "country", "agreement_ref",
    "associate", "manager", "renditions", "endpoint",
}  # fmt: skip
_ENDPOINT_KEYS = {
    "channel", "address", "key_form", "key", "key_file", "signing_secret", "smime",
}  # fmt: skip
_CSV_COLUMNS = (
    "id", "organisation", "organisation_class", "role", "areas", "country", "agreement_ref",
    "manager", "renditions", "associate_reference", "associate_designated_on", "associate_ends_on",
    "channel", "address", "key_form", "key", "key_file", "signing_secret", "smime",
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
    adapters: Mapping[str, Adapter] = field(default_factory=dict)  # that write forms


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
        for several in ("areas", "renditions"):
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
    channels = [one.get("channel") for one in endpoints]
    if len(set(channels)) != len(channels):
        raise ValueError("endpoint: one of each channel; another desk is another recipient")
    id_ = RecipientId(item["id"])
    return Recipient(
        id=id_,
        organisation=item["organisation"],
        organisation_class=item["organisation_class"],
        role=item["role"],
        areas=frozenset(item.get("areas", [])),
        endpoints=tuple(_endpoint(one, id_, folder, known.policy) for one in endpoints),
        associate=_associate(item.get("associate")),
        country=item.get("country", "GB"),
        agreement_ref=item.get("agreement_ref"),
        manager=RecipientId(item["manager"]) if "manager" in item else None,
        renditions=_renditions(item.get("renditions", []), known.adapters),
    )


def _renditions(asked: Sequence[str], adapters: Mapping[str, Adapter]) -> tuple[str, ...]:
    found = [full_name(one, adapters) for one in asked]
    if None in found or len(set(found)) != len(found):
        forms = ", ".join(sorted(forms_of(adapters)))
        raise ValueError(f"renditions: each one of {forms}; none twice")
    return tuple(one for one in found if one is not None)


def _endpoint(
    item: Mapping[str, Any], recipient: RecipientId, folder: Path, policy: OutboundPolicy
) -> Endpoint:
    _only(item, _ENDPOINT_KEYS)
    channel: ChannelName = item.get("channel")  # type: ignore[assignment]  # checked next
    if channel not in {"webhook", "email", "sms", "mesh"}:
        raise ValueError("channel: one of webhook, email, sms, mesh")
    address = item.get("address")
    if not isinstance(address, str):
        raise ValueError("address: required")  # noqa: TRY004 - a fault in the file, not a bug
    if channel == "webhook":
        check_https_url(address, policy=policy)
    elif channel == "email":
        check_mailbox(address)
    elif channel == "mesh":
        address = check_mailbox_id(address)
    else:
        address = check_phone(address)
    key = _key(item, folder)
    if channel in {"webhook", "mesh"} and (key is None or key.form == "cms"):
        what = "webhook" if channel == "webhook" else "MESH mailbox"
        raise ValueError(f"key: a {what} needs an hpke or jwe key, or nothing may be sent to it")
    smime = item.get("smime")
    if smime is not None and (smime != "gcm" or key is None or key.form != "cms"):
        raise ValueError('smime: only "gcm", with key_form = "cms" and a certificate')
    if key is not None and key.form == "cms" and address.lower() not in _names(key):
        raise ValueError("key: the certificate is for another address")
    return Endpoint(
        id=EndpointId(f"{recipient}/{channel}"),
        channel=channel,
        address=address,
        key=key,
        signing_secret=item.get("signing_secret"),
        smime=smime,
    )


def _names(key: RecipientKey) -> set[str]:
    return {name.lower() for name in rfc822_names(key.public)}


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
