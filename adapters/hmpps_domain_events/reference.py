"""The reference page of the catalogue, as Markdown."""

from collections.abc import Iterator
from typing import Final

from adapters.hmpps_domain_events.catalogue import CATALOGUE, Entry

_HEAD: Final = """\
# HMPPS domain events

What becomes of each type of
[HMPPS domain event](https://github.com/ministryofjustice/hmpps-domain-events) that is posted to
`/v1/events/hmpps_domain_events`, bare or as SNS notifies of it. Generated from the catalogue in the
code, to which a test holds the translation.

Of {all} types, {translated} become events of the gateway, {human} wait for a human, and {ignored}
are not translated. A type that is not listed is refused as unknown. Any event may also wait for a
human because it contradicts itself or states a code with no known meaning.

The catalogue has the types specified in the public repository, under earlier names too where a
specification was renamed, and those without a specification that are named in the code of the
services that publish or read them.
"""
_TRANSLATED: Final = """\
## Translated

Where an event says only that something happened, so does its translation: the kind and whom it is
about, and no fact.

| event type | becomes | left out or refused |
|---|---|---|
"""
_HUMAN: Final = """\
## Waiting for a human

| event type | why |
|---|---|
"""
_IGNORED: Final = """\
## Not translated

| event type | why |
|---|---|
"""

_OUT: Final = """\
## What goes out

The form `thin` is a domain event that refers to an alert: something changed, here is the reference.
It may pass through topics that many services read, so it says nothing of what the alert says. An
[example](../examples/adapters/hmpps_domain_events/release.thin.out.json) and
[the alert it is of](../examples/adapters/hmpps_domain_events/release.alert.json).

| member | what it is |
|---|---|
| `eventType` | `throughgate.` and the kind, with hyphens for underscores |
| `version` | 1 |
| `occurredAt` | when what the alert is about happened; without it there is no thin event |
| `description` | that an alert was issued, updated, corrected or recalled |
| `personReference.identifiers` | `NOMS` and `CRN`, where the alert tells them |
| `additionalInformation.alertId` | the alert |
| `additionalInformation.caseReference` | the gateway's own reference of the person |
| `additionalInformation.kind` | the kind, as the gateway writes it |
| `additionalInformation.messageType` | `NOTIFY`, `UPDATE`, `CORRECTION` or `RECALL` |
| `additionalInformation.for` | `ACTION` or `INFORMATION` |
| `additionalInformation.supersedes` | the alert that this one updates, corrects or recalls |
| `additionalInformation.marking` | of the alert |
| `additionalInformation.handlingGrade` | 3x5x2, where there is one |
| `additionalInformation.conditionsApply` | true where there are conditions: the alert has them |
| `additionalInformation.acknowledgeBy` | RFC 3339, where an acknowledgement is due |
"""


def page() -> str:
    """Return the page. Pure."""
    translated = [one for one in CATALOGUE.items() if one[1].kinds]
    human = [one for one in CATALOGUE.items() if one[1].needs_human]
    ignored = [one for one in CATALOGUE.items() if not (one[1].kinds or one[1].needs_human)]
    head = _HEAD.format(
        translated=len(translated), all=len(CATALOGUE), human=len(human), ignored=len(ignored)
    )
    tables = (
        _TRANSLATED + "".join(_translated(translated)),
        _HUMAN + "".join(_refused(human)),
        _IGNORED + "".join(_refused(ignored)),
    )
    return "\n".join((head, *tables, _OUT))


def _translated(entries: list[tuple[str, Entry]]) -> Iterator[str]:
    for event_type, entry in entries:
        kinds = ", ".join(f"`{kind}`" for kind in entry.kinds)
        yield f"| `{event_type}` | {kinds} | {entry.why} |\n"


def _refused(entries: list[tuple[str, Entry]]) -> Iterator[str]:
    for event_type, entry in entries:
        yield f"| `{event_type}` | {entry.why} |\n"
