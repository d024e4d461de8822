r"""One SQL text for two engines: from what SQLite reads to what PostgreSQL does. Pure.

Statements keep to what both understand. What remains is done here, token by token:

    ?  ?1  :name           $1, $2, ...
    x'0a'                  '\x0a'::bytea
    CROSS JOIN x ON ...    JOIN x ON ...
    INDEXED BY name        nothing: PostgreSQL chooses by what it knows of the table
    max(a, b)  min(a, b)   greatest(a, b)  least(a, b); as aggregates they stay. Both pass over
                           NULL, where SQLite's give it: no statement may rest on that
    json_each(x)           json_array_elements_text(CAST(x AS json)) AS each (value)
    substr(x, -12)         right(x, 12)
    instr(x, y)            strpos(x, y)
    :mask >> slot          CAST($1 AS BIGINT) >> slot: else it would take the type of the slot
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from gateway.store.engine import Bindings

Key: TypeAlias = int | str  # of a binding: its place, or its name

_TOKEN: Final = re.compile(
    r"(?P<bytes>[xX]'[0-9a-fA-F]*')|(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<comment>--[^\n]*)|(?P<place>\?\d*)|(?P<name>:[A-Za-z_]\w*)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<space>\s+)|(?P<other>::|>>|<<|.)",
    re.DOTALL,
)
_SCALAR: Final[Mapping[str, str]] = {"max": "greatest", "min": "least"}
_KEPT: Final = 2000  # texts; some are made as they are needed


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as PostgreSQL takes it, and which binding each `$n` is."""

    sql: bytes
    keys: tuple[Key, ...]
    verb: str  # its first word, upper case
    walks: bool = False  # reads a table from end to end: asked of no one row, and without a limit

    def values(self, bindings: Bindings | None) -> list[Any]:
        """Return the bindings in the order of `$1`, `$2`, ...

        Raises:
            KeyError, IndexError: one is missing.
        """
        if not self.keys:
            return []
        if bindings is None:
            raise IndexError("a statement without its bindings")
        return [bindings[key] for key in self.keys]  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@lru_cache(maxsize=_KEPT)
def translated(text: str) -> tuple[Statement, ...]:
    """Return the statements a text holds; several are parted by semicolons.

    A plain `?` counts through all of them, as SQLite's do.
    """
    found: list[Statement] = []
    current: list[_Token] = []
    places = 0
    tokens = [_Token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]
    for token in (*tokens, _Token("other", ";")):
        if token.kind == "comment":
            continue
        if token == _Token("other", ";"):
            if any(one.kind != "space" for one in current):
                found.append(_statement(current))
            current = []
        elif token.kind == "place":
            number = int(token.text[1:]) if len(token.text) > 1 else places + 1
            places = max(places, number)
            current.append(_Token("place", str(number - 1)))
        else:
            current.append(token)
    return tuple(found)


def _statement(tokens: list[_Token]) -> Statement:
    keys: list[Key] = []
    written = _written(_rewritten(tokens), keys)
    words = [one.text.upper() for one in tokens if one.kind == "word"]
    walks = not keys and words[0] == "SELECT" and "ORDER" in words and "LIMIT" not in words
    return Statement(written.strip().encode(), tuple(keys), words[0], walks)


def _rewritten(tokens: list[_Token]) -> list[_Token]:
    """Return the tokens with calls in PostgreSQL's words."""
    out: list[_Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        word = token.text.lower() if token.kind == "word" else ""
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if word == "indexed":
            at += 5  # a space, BY, a space, a name
            continue
        if word == "cross" and _joins_on(tokens, at):
            at += 2
            continue
        if following == _Token("other", "(") and word in {*_SCALAR, "json_each", "substr", "instr"}:
            end = _closing(tokens, at + 1)
            parts = [_rewritten(part) for part in _parts(tokens[at + 2 : end])]
            out += _call(word, parts)
            at = end + 1
            continue
        out.append(token)
        at += 1
    return out


def _joins_on(tokens: list[_Token], at: int) -> bool:
    """Return whether a CROSS JOIN has a condition: it keeps SQLite to an order of the tables."""
    after = [one.text.upper() for one in tokens[at : at + 12] if one.kind != "space"]
    return after[1:2] == ["JOIN"] and "ON" in after[3:6]


def _call(word: str, parts: list[list[_Token]]) -> list[_Token]:
    if word == "json_each":
        before, after = "json_array_elements_text(CAST(", " AS json)) AS each (value)"
        return [_Token("other", before), *parts[0], _Token("other", after)]
    if word == "substr" and len(parts) == 2:
        last = "".join(one.text for one in parts[1]).strip()
        if last.startswith("-"):
            return _named("right", [parts[0], [_Token("other", f" {last[1:]}")]])
    if word == "instr":
        return _named("strpos", parts)
    if word in _SCALAR and len(parts) > 1:
        return _named(_SCALAR[word], parts)
    return _named(word, parts)


def _named(name: str, parts: list[list[_Token]]) -> list[_Token]:
    out = [_Token("word", name), _Token("other", "(")]
    for number, part in enumerate(parts):
        out += [_Token("other", ","), *part] if number else part
    return [*out, _Token("other", ")")]


def _closing(tokens: list[_Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0) if tokens[at].kind == "other" else 0
        if depth == 0:
            return at
    raise ValueError("a bracket is not closed")


def _parts(tokens: list[_Token]) -> list[list[_Token]]:
    """Return what the commas of a call's own level part."""
    parts: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "other":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                parts.append([])
                continue
        parts[-1].append(token)
    return parts


def _written(tokens: list[_Token], keys: list[Key]) -> str:
    out: list[str] = []
    for at, token in enumerate(tokens):
        if token.kind in {"place", "name"}:
            key: Key = int(token.text) if token.kind == "place" else token.text[1:]
            if key not in keys:
                keys.append(key)
            marker = f"${keys.index(key) + 1}"
            rest = (one for one in tokens[at + 1 :] if one.kind != "space")
            shifted = next(rest, None) == _Token("other", ">>")
            out.append(f"CAST({marker} AS BIGINT)" if shifted else marker)
        elif token.kind == "bytes":
            out.append(f"'\\x{token.text[2:-1]}'::bytea")
        else:
            out.append(token.text)
    return "".join(out)
