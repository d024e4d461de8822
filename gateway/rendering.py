"""An alert in its recipient's own form, beside the alert itself and under the same seal.

A rendition says nothing that the alert does not say, and never decides whether the alert leaves: a
form that cannot be made is left out, and the operator is told.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import structlog

from adapters.contract import Adapter, NotRendered, Outbound
from gateway.metrics import RENDITIONS
from gateway.model.alert import Alert, parse_alert
from gateway.model.party import Recipient
from gateway.model.strict_json import Json, JsonObject

# The content of an alert and whom it is for -> the renditions to put into it.
Render: TypeAlias = Callable[[JsonObject, Recipient], Sequence[Json]]

_LOG = structlog.get_logger()
_SEPARATOR: Final = ":"


def forms_of(adapters: Mapping[str, Adapter]) -> Mapping[str, Outbound]:
    """Return every form that may be asked for by its full name, ``adapter:form``. Pure."""
    return {
        f"{name}{_SEPARATOR}{one.form}": one
        for name, adapter in adapters.items()
        for one in adapter.outbound
    }


def full_name(asked: str, adapters: Mapping[str, Adapter]) -> str | None:
    """Return the full name of a form, or None; an adapter alone means its first. Pure."""
    name, _, form = asked.partition(_SEPARATOR)
    adapter = adapters.get(name)
    found = adapter.form(form or None) if adapter else None
    return f"{name}{_SEPARATOR}{found.form}" if found else None


def rendering(adapters: Mapping[str, Adapter]) -> Render:
    """Return what puts alerts into the forms these adapters write."""
    forms = forms_of(adapters)

    def render(content: JsonObject, recipient: Recipient) -> Sequence[Json]:
        if not recipient.renditions:
            return ()
        alert = parse_alert(content)
        made = [_rendition(forms.get(name), name, alert) for name in recipient.renditions]
        return [one for one in made if one is not None]

    return render


def _rendition(form: Outbound | None, name: str, alert: Alert) -> Json:
    if form is None:
        _left_out("no-such-form", name, alert)
        return None
    try:
        made = form.render(alert)
    except Exception as error:  # noqa: BLE001 - a fault in a form must not hold a warning back
        _left_out(type(error).__name__, name, alert)
        return None
    if isinstance(made, NotRendered):  # the form has no words for this; that is no fault
        RENDITIONS.labels(name, "declined").inc()
        return None
    RENDITIONS.labels(name, "made").inc()
    return {
        "form": name,
        "media_type": made.media_type,
        "file_name": made.file_name,
        "body": base64.b64encode(made.body).decode(),
    }


def _left_out(code: str, name: str, alert: Alert) -> None:
    RENDITIONS.labels(name, "failed").inc()
    _LOG.error("form not made", code=code, form=name, alert=alert.id, recipient=alert.recipient)
