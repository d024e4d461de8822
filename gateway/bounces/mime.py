"""The little of MIME that a delivery report needs, read within bounds: one level, no decoding.

Linear in the size of the message; no recursion, so no depth to bound.
Source: RFC 5322 section 2.2, RFC 2045 section 5.1, RFC 2046 section 5.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_FIELDS: Final = 200
MAX_FIELD_BYTES: Final = 16 * 1024  # unfolded
MAX_HEAD_BYTES: Final = 128 * 1024
MAX_PARTS: Final = 8

_FIELD: Final = re.compile(r"([!-9;-~]{1,76})[ \t]*:(.*)")
_TYPE: Final = re.compile(r"\s*([A-Za-z0-9.+-]{1,80})/([A-Za-z0-9.+-]{1,80})")
_PARAMETER: Final = re.compile(
    r"""\s*;\s*(?:([A-Za-z0-9*-]{1,40})\s*=\s*(?:"([^"\\]*)"|([^\s;"()<>@,\\]+)))?"""
)
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


class Malformed(Exception):
    """Not the MIME that is understood here. Names nothing of what was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A message or part of one: its header fields in order, and the bytes after them."""

    fields: tuple[tuple[str, str], ...]  # names in lower case, values unfolded and stripped
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of a field. Pure."""
        return [value for other, value in self.fields if other == name]

    def one(self, name: str) -> str | None:
        """Return the value of a field that must not stand twice, or None.

        Raises:
            Malformed: it does.
        """
        found = self.values(name)
        if len(found) > 1:
            raise Malformed
        return found[0] if found else None


def read_entity(raw: bytes) -> Entity:
    """Return the header fields and the body of a message or part.

    Raises:
        Malformed: a line of the head is no field, or there is too much of it.

    Pure.
    """
    if raw[:1] == b"\n" or raw[:2] == b"\r\n":
        return Entity(fields=(), body=raw[raw.index(b"\n") + 1 :])
    at = 0
    unfolded: list[str] = []
    while at < len(raw):
        end = raw.find(b"\n", at, at + MAX_FIELD_BYTES)
        if end < 0:
            if len(raw) - at >= MAX_FIELD_BYTES:
                raise Malformed
            end = len(raw)
        line = raw[at:end].removesuffix(b"\r")
        at = end + 1
        if not line:
            break
        if at > MAX_HEAD_BYTES:
            raise Malformed
        _add(line.decode("latin-1"), unfolded)
    return Entity(fields=tuple(map(_field, unfolded)), body=raw[at:])


def read_groups(raw: bytes, *, most: int) -> list[Entity]:
    """Return the groups of fields that blank lines separate.

    Raises:
        Malformed: as `read_entity`, or there are more than `most`.

    Pure.
    """
    groups: list[Entity] = []
    while raw := raw.lstrip(b"\r\n"):
        if len(groups) == most:
            raise Malformed
        group = read_entity(raw)
        groups.append(Entity(fields=group.fields, body=b""))  # not the rest of the message again
        raw = group.body
    return groups


def content_type(entity: Entity) -> tuple[str, dict[str, str]]:
    """Return the type in lower case, text/plain where none is given, and its parameters by name in
    lower case.

    Raises:
        Malformed: it does not parse, stands twice, or names a parameter twice.

    Pure.
    """
    value = entity.one("content-type")
    if value is None:
        return "text/plain", {}
    found = _TYPE.match(value)
    if found is None:
        raise Malformed
    parameters: dict[str, str] = {}
    at = found.end()
    while value[at:].strip():
        parameter = _PARAMETER.match(value, at)
        if parameter is None:
            raise Malformed
        at = parameter.end()
        name = (parameter[1] or "").lower()
        if name in parameters:
            raise Malformed
        if name:
            parameters[name] = parameter[2] if parameter[2] is not None else parameter[3]
    return f"{found[1]}/{found[2]}".lower(), parameters


def read_parts(body: bytes, boundary: str) -> list[Entity]:
    """Return the parts of a multipart body; what stands before and after them is left out.

    Raises:
        Malformed: no such boundary, too many parts, or the last one is not closed.

    Pure.
    """
    return [read_entity(piece) for piece in _pieces(body, boundary)]


def _pieces(body: bytes, boundary: str) -> Iterator[bytes]:
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed
    quoted = re.escape(boundary.encode("ascii"))
    start: int | None = None
    for count, found in enumerate(re.finditer(rb"(?m)^--" + quoted + rb"(--)?[ \t]*\r?$", body)):
        if start is not None:
            yield body[start : found.start()]
        if found[1]:
            return
        if count == MAX_PARTS:
            break
        start = found.end() + 1
    raise Malformed


def _add(line: str, unfolded: list[str]) -> None:
    if line[0] not in " \t":
        unfolded.append(line)
    elif unfolded:
        unfolded[-1] += line
    if not unfolded or len(unfolded) > MAX_FIELDS or len(unfolded[-1]) > MAX_FIELD_BYTES:
        raise Malformed


def _field(line: str) -> tuple[str, str]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise Malformed
    return found[1].lower(), found[2].strip()
