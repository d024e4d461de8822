"""Canonical JSON: one value, one sequence of bytes. Source: RFC 8785. Pure."""

from typing import Final

import orjson
import rfc8785

from gateway.model.strict_json import MAX_SAFE_INTEGER, Json

_FAST_DEPTH: Final = 64


def canonical_json(value: Json) -> bytes:
    """Return the RFC 8785 form of a JSON value, UTF-8 without a final newline.

    Raises:
        ValueError: no such form exists: integers outside +-(2**53 - 1), NaN, infinities, lone
            surrogates, member names that are not strings, or nesting beyond reason.

    Pure; microseconds where `_is_plain` holds, some 60 times slower elsewhere.
    """
    try:
        if _is_plain(value, _FAST_DEPTH):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(value)
    except (ValueError, TypeError, RecursionError):
        # from None: these errors quote the value
        raise ValueError("not a value with a canonical JSON form") from None


def _is_plain(value: object, depth: int) -> bool:
    """Return whether orjson's sorted output is provably the RFC 8785 form.

    Exact types only (a subclass may write itself otherwise); no floats (ECMAScript spells them
    its own way); ASCII names only (RFC 8785 sorts by UTF-16 units, orjson by UTF-8 bytes: the two
    differ past U+FFFF).
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER  # type: ignore[operator]
    if depth == 0:
        return False
    if isinstance(value, dict) and kind is dict:
        return all(
            type(name) is str and name.isascii() and _is_plain(member, depth - 1)
            for name, member in value.items()
        )
    if isinstance(value, list) and kind is list:
        return all(_is_plain(item, depth - 1) for item in value)
    return False
