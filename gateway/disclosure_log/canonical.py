"""Canonical JSON: one value, one sequence of bytes. Source: RFC 8785. Pure."""

from typing import Final

import orjson
import rfc8785

from gateway.model.strict_json import MAX_SAFE_INTEGER, Json

_FAST_DEPTH: Final = 64
_SCALARS: Final = frozenset({str, bool, type(None)})
_PLAIN: Final = _SCALARS | {int, dict, list}
_NAMES: Final = {str}


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
    differ past U+FFFF). Row by row of the nesting, and of each container its types at once.
    """
    row: list[object] = [value]
    for _ in range(depth + 1):
        kinds = set(map(type, row))
        if kinds <= _SCALARS:
            return True
        if not kinds <= _PLAIN:
            return False
        below: list[object] = []
        for one in row:
            if isinstance(one, dict):
                if one and not (set(map(type, one)) == _NAMES and "".join(one).isascii()):
                    return False
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, int) and not -MAX_SAFE_INTEGER <= one <= MAX_SAFE_INTEGER:
                return False
        row = below
    return not row
