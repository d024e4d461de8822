"""Hostile inputs from the third-party probes, for every adapter: whole bodies, and single texts."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.third_party import ROOT

_PROBES = ROOT / "own-probes"

# What the probes describe rather than hold.
_GENERATED = {
    "quadratic": b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "' + b"A" * 20_000 + b'">]><r>'
    + b"&a;" * 20_000 + b"</r>",
    "deep": b"<a>" * 50_000 + b"</a>" * 50_000,
    "attrs": b"<a " + b" ".join(b'b%d="1"' % i for i in range(20_000)) + b"/>",
    "ns-flood": b"<a " + b" ".join(b'xmlns:n%d="u%d"' % (i, i) for i in range(5000)) + b"/>",
    "huge-token": b"<r>" + b"A" * 3_000_000 + b"</r>",
    "char-ref-bomb": b"<r>" + b"&#65;" * 500_000 + b"</r>",
    "int-5000-digits": b'{"a":' + b"9" * 5000 + b"}",
    "depth-100000": b"[" * 100_000,
    "id-1MiB": b'{"id":"' + b"a" * 1024 * 1024 + b'"}',
}  # fmt: skip


def _read(name: str) -> Any:
    path = _PROBES / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def xml_probes() -> Iterator[tuple[str, bytes]]:
    """Yield documents that a reader of XML must refuse, by name."""
    for name, probe in (
        _read("xml-hostile").get("must_reject_without_io_and_within_64MiB_1s", {}).items()
    ):
        if isinstance(probe, dict):
            yield name, _GENERATED[name]
        elif name.endswith("b64"):
            yield name, base64.b64decode(probe)
        else:
            yield name, probe.encode("utf-8", "surrogatepass")


def _bodies() -> Iterator[tuple[str, bytes]]:
    for name, body in xml_probes():
        yield f"xml {name}", body
    for event in _read("json-hostile").get("events", []):
        if "raw" in event:
            yield f"json {event['id']}", event["raw"].encode("utf-8", "surrogatepass")
        elif "raw_b64" in event:
            yield f"json {event['id']}", base64.b64decode(event["raw_b64"])
        elif event["id"] in _GENERATED:
            yield f"json {event['id']}", _GENERATED[event["id"]]
    hl7 = _read("hl7-injection")
    for index, message in enumerate(hl7.get("messages", [])):
        yield f"hl7 message {index}", message.encode()
    for index, frame in enumerate(hl7.get("mllp_frames_b64", [])):
        yield f"hl7 frame {index}", base64.b64decode(frame)


HOSTILE_BODIES: dict[str, bytes] = dict(_bodies()) or {"empty": b""}

# As one fact of an alert that is put into an agency's own form.
HOSTILE_TEXTS: tuple[str, ...] = tuple(
    text
    for texts in (
        _read("csv-formula"),
        _read("log-injection"),
        _read("unicode"),
        _read("hl7-injection").get("field_values_to_encode", []),
        ["</r>", "]]>", "<!DOCTYPE r>", "&x;", '"', "\\", "a\nb"],
    )
    for text in texts
)
