"""One JSON reader for verifying and for use: what two parsers could read differently is refused.

Refused: duplicate members, NaN and infinities, lone surrogates, nesting over 32, integers
outside +-(2**53 - 1), numbers that overflow a double, a byte-order mark, anything but UTF-8.
Source: RFC 8259 with RFC 7493 (I-JSON) as the profile, save that noncharacters such as U+FFFE
pass: parsers agree on them.
"""

import json
import math
import re
from typing import Any, NoReturn, TypeAlias

from gateway.model.problem import MalformedEvent, Problem

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
JsonObject: TypeAlias = dict[str, Json]

MAX_DEPTH = 32
MAX_SAFE_INTEGER = 2**53 - 1

# Possessive, and an unclosed string runs to the end: never backtracks, never starts again at each
# quote inside, so it is linear in a body made to be hostile. Up to the first fault it sees the
# same strings as the parser; beyond a fault, depth no longer matters.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_json(body: bytes) -> Json:
    """Parse UTF-8 JSON text under the strict profile.

    Args:
        body: Whole document; the caller has bounded its length.

    Returns:
        Plain Python values; objects keep their member order.

    Raises:
        MalformedEvent: anything refused above, with a path of ``$`` or the member's name.

    Pure; O(len(body)).
    """
    if _deepest(body) > MAX_DEPTH:
        _refuse(f"nested deeper than {MAX_DEPTH} levels")
    try:
        text = body.decode("utf-8")
        value: Json = _DECODER.decode(text)
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except (ValueError, RecursionError):
        _refuse("not JSON")
    if b"\\u" in body:
        _refuse_lone_surrogates(value)
    return value


def read_object(body: bytes) -> JsonObject:
    """Parse as `read_json` and insist on an object at the top.

    Raises:
        MalformedEvent: as `read_json`, or the top-level value is not an object.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        _refuse("must be a JSON object")
    return value


def _refuse(reason: str, path: str = "$") -> NoReturn:
    raise MalformedEvent(Problem(path=path, reason=reason)) from None


def _deepest(body: bytes) -> int:
    """Return the deepest nesting of brackets outside strings, before any parser recurses."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    break
        else:
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                # A name is the sender's text too: only what looks like one of ours is repeated.
                plain = _PLAIN_NAME.fullmatch(name)
                _refuse("member appears twice", f"$..{name}" if plain else "$")
            seen.add(name)
    return members


def _integer(digits: str) -> int:
    # Length first: converting thousands of digits is quadratic (CVE-2020-10735).
    if len(digits) > 17 or abs(value := int(digits)) > MAX_SAFE_INTEGER:
        _refuse("integer outside +-(2^53 - 1)")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse("number too large")
    return value


def _constant(_name: str) -> NoReturn:
    _refuse("NaN and Infinity are not JSON")


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        _refuse("lone surrogate in a string")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)
