"""XML in and out: no DOCTYPE, no entities, no network, no processing instructions; bounded.

Read into plain objects, for `adapters.kit.members`: an element with neither attributes nor children
is its text; any other is an object of ``@attribute``, child names and ``#text``; repeats are a
list.
Namespaces are dropped from names, and prefixed attributes keep their local name.

Bounded by itself, since expat is not: older ones read a long token again with every piece of it
(CVE-2023-52425), and none bounds the declarations of namespaces.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from adapters.kit.framing import MAX_MESSAGE_BYTES
from adapters.kit.members import refuse
from gateway.model.strict_json import Json, JsonObject

MAX_DEPTH: Final = 32
MAX_ATTRIBUTES: Final = 32
_CHUNK: Final = 64 * 1024  # bytes given to the parser at a time
_UTF_8: Final = frozenset({"utf-8", "us-ascii"})
_ABOUT_SCHEMAS: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_XINCLUDE: Final = "{http://www.w3.org/2001/XInclude}"
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")


def read_xml(body: bytes) -> tuple[str, JsonObject]:
    """Return the root element's local name, and its content as an object.

    Raises:
        MalformedEvent: not well-formed UTF-8 XML, or anything the module forbids.

    Pure.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        refuse(f"longer than {MAX_MESSAGE_BYTES} bytes")
    found: list[tuple[str, Json]] = []
    target = _Records(None, lambda name, value: found.append((name, value)))
    for _chunk in _feed(target, (body,)):
        pass
    if not found:
        refuse("not XML")
    name, value = found[0]
    return name, value if isinstance(value, dict) else {"#text": value}


def xml_records(record: str) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """Return a split (see `adapters.kit.framing`) that yields each element of this local name as a
    document of its own, with its namespaces dropped.

    A document whose root is the record is one message. What stands around the records, text and
    attributes, would be lost to whoever reads them one by one: it is refused.
    """

    def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
        found: list[bytes] = []
        target = _Records(record, lambda name, value: found.append(write_xml(name, value)))
        any_found = False
        for _chunk in _feed(target, pieces):
            any_found = any_found or bool(found)
            yield from found
            found.clear()
        if not any_found:
            refuse(f"has no element {record}")

    return split


def write_xml(name: str, value: Json) -> bytes:
    """Return a document: the reverse of `read_xml`, every value escaped.

    Args:
        name: Of the root element.
        value: As `read_xml` returns; None and empty lists are left out. Characters that XML
            cannot carry become U+FFFD.

    Pure.
    """
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(name, value, 0)}'.encode()


def _element(name: str, value: Json, depth: int) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not a name of an element")
    pad = "  " * depth
    if not isinstance(value, dict):
        return f"{pad}<{name}>{_text(value)}</{name}>\n"
    attributes = "".join(_attribute(key, one) for key, one in value.items() if key[0] == "@")
    inner = "".join(
        _element(key, one, depth + 1)
        for key, several in value.items()
        if key[0] not in "@#"
        for one in (several if isinstance(several, list) else [several])
        if one is not None
    )
    text = _text(value.get("#text"))
    if inner:
        return f"{pad}<{name}{attributes}>{text}\n{inner}{pad}</{name}>\n"
    return f"{pad}<{name}{attributes}>{text}</{name}>\n"


def _attribute(key: str, value: Json) -> str:
    if not _NAME.fullmatch(key[1:]):
        raise ValueError("not a name of an attribute")
    return "" if value is None else f" {key[1:]}={quoteattr(_clean(value))}"


def _text(value: Json) -> str:
    return escape(_clean(value), {"\r": "&#13;"})  # bare, a reader would take it for a line end


def _clean(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NOT_XML.sub("\ufffd", "" if value is None else str(value))


class _Records:
    """A parser target: builds each element of one name, or the root, and keeps nothing else."""

    def __init__(self, wanted: str | None, found: Callable[[str, Json], None]) -> None:
        self.signs = 0  # how often the parser found something
        self.at: Callable[[], int] = int  # where the parser is, in bytes
        self._wanted = wanted
        self._found = found
        self._depth = 0
        self._began = 0  # where the element being built begins, in bytes
        self._namespaces = 0  # declared for the element that starts next
        self._open: list[tuple[str, JsonObject, list[str]]] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Open an element."""
        self.signs += 1
        self._depth += 1
        self._namespaces = 0
        if self._depth > MAX_DEPTH:
            refuse(f"nested deeper than {MAX_DEPTH} elements")
        if len(attributes) > MAX_ATTRIBUTES:
            refuse(f"more than {MAX_ATTRIBUTES} attributes in one element")
        if tag.startswith(_XINCLUDE):
            refuse("includes are not read")
        name = _local(tag)
        if self._open or self._wanted in (None, name):
            if not self._open:
                self._began = self.at()
            self._bounded()
            self._open.append((name, _attributes(attributes), []))
        elif any(not key.startswith(_ABOUT_SCHEMAS) for key in attributes):
            refuse(f"what stands around {self._wanted} is not read: state it in each")

    def data(self, text: str) -> None:
        """Take text up."""
        self.signs += 1
        if self._open:
            self._bounded()
            self._open[-1][2].append(text)
        elif text.strip():
            refuse(f"what stands around {self._wanted} is not read: state it in each")

    def end(self, _tag: str) -> None:
        """Close an element."""
        self.signs += 1
        self._depth -= 1
        if not self._open:
            return
        name, members, pieces = self._open.pop()
        text = "".join(pieces).strip()
        value: Json = members
        if not members:
            value = text
        elif text:
            members["#text"] = text
        if self._open:
            _add(self._open[-1][1], name, value)
        else:
            self._found(name, value)

    def start_ns(self, _prefix: str, _uri: str) -> None:
        """Count a namespace declaration."""
        self._namespaces += 1
        if self._namespaces > MAX_ATTRIBUTES:
            refuse(f"more than {MAX_ATTRIBUTES} namespaces declared in one element")

    def comment(self, _text: str) -> None:
        """Pass a comment over."""
        self.signs += 1

    def pi(self, _target: str, _text: str) -> None:
        """Refuse a processing instruction."""
        refuse("processing instructions are not read")

    def close(self) -> None:
        """End the document."""

    def _bounded(self) -> None:
        if self.at() - self._began > MAX_MESSAGE_BYTES:
            refuse(f"an element longer than {MAX_MESSAGE_BYTES} bytes")


def _attributes(attributes: Mapping[str, str]) -> JsonObject:
    members: JsonObject = {f"@{_local(key)}": value for key, value in attributes.items()}
    if len(members) < len(attributes):
        refuse("two attributes of one name, but for their namespaces")
    return members


def _add(members: JsonObject, name: str, value: Json) -> None:
    held = members.get(name)
    if held is None:
        members[name] = value
    elif isinstance(held, list):
        held.append(value)
    else:
        members[name] = [held, value]


def _local(name: str) -> str:
    local = name.rpartition("}")[2]
    if not _NAME.fullmatch(local):
        refuse("a name that is not plain letters, digits, full stops and hyphens")
    return local


def _feed(target: _Records, pieces: Iterable[bytes]) -> Iterator[None]:
    """Parse chunk by chunk, giving way after each.

    Raises:
        MalformedEvent: not well-formed, or forbidden.
    """
    parser = DefusedXMLParser(target=target, encoding="utf-8", forbid_dtd=True)
    parser.parser.XmlDeclHandler = _declared
    target.at = lambda: parser.parser.CurrentByteIndex
    silent = 0  # bytes since the parser last found something: one token, still unfinished
    try:
        for chunk in _chunks(pieces):
            signs = target.signs
            parser.feed(chunk)
            silent = silent + len(chunk) if target.signs == signs else 0
            if silent > MAX_MESSAGE_BYTES:
                refuse(f"a token longer than {MAX_MESSAGE_BYTES} bytes")
            yield
        parser.close()
    except DefusedXmlException:
        refuse("a DOCTYPE or entity declaration")
    except (SyntaxError, ValueError, LookupError):
        refuse("not well-formed XML in UTF-8")
    yield


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        for start in range(0, len(piece), _CHUNK):
            held += piece[start : start + _CHUNK]
            if len(held) >= _CHUNK:
                yield bytes(held)
                held.clear()
    yield bytes(held)


def _declared(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in _UTF_8:
        refuse("declares another encoding than UTF-8")
