"""A Cedar condition in its JSON form, worked out exactly as the engine would, over plain values.

Only what the rulebook's schema allows to be said: booleans, whole numbers, strings, sets of
strings, and whether the principal is in a role. Anything else is `BeyondProof`, never a guess.
"""

import json
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import cedarpy

Expression: TypeAlias = Mapping[str, Any]  # Cedar's JSON form of one expression
Value: TypeAlias = bool | int | str | frozenset[Any] | tuple[str, str]  # the last: an entity
World: TypeAlias = Mapping[str, Value]  # "resource.kind", "principal.role", ... to its value

ROLE: Final = "principal.role"
_INT64: Final = range(-(2**63), 2**63)


class BeyondProof(Exception):
    """A condition this evaluator cannot follow, or one that errs. The text says which and why."""


def parse(text: str) -> Expression:
    """Return a condition written in Cedar, in its JSON form.

    Raises:
        ValueError: it is not a Cedar expression. Its message quotes the text.
    """
    wrapped = f"forbid (principal, action, resource) when {{ {text} }};"
    policies = json.loads(cedarpy.policies_to_json_str(wrapped))["staticPolicies"]
    if len(policies) != 1:
        raise ValueError("one condition is wanted")
    conditions = policies["policy0"]["conditions"]
    if len(conditions) != 1:
        raise ValueError("one condition is wanted")
    body: Expression = conditions[0]["body"]
    return body


def mentioned(expression: Expression) -> Iterator[str]:
    """Yield every name of a world that the expression reads, such as "resource.kind"."""
    if "." in expression or "has" in expression:
        part = expression.get(".") or expression["has"]
        yield _attribute(part)
    elif "in" in expression:
        yield ROLE
    elif "Value" not in expression and "Var" not in expression:
        for child in _children(expression):
            yield from mentioned(child)


def spelt_out(expression: Expression, names: frozenset[str]) -> Iterator[str]:
    """Yield every string in comparisons that also read one of these names."""
    ((name, body),) = expression.items()
    if name in {"&&", "||", "!"}:
        for part in body.values():
            yield from spelt_out(part, names)
    elif names.intersection(mentioned(expression)):
        yield from literals(expression)


def says(expression: Expression, word: str) -> bool:
    """Return whether an operator occurs anywhere in the expression."""
    return word in expression or any(says(child, word) for child in _children(expression))


def literals(expression: Expression) -> Iterator[str]:
    """Yield every string the expression compares with."""
    if "Value" in expression:
        if isinstance(expression["Value"], str):
            yield expression["Value"]
        return
    for child in _children(expression):
        yield from literals(child)


def work_out(expression: Expression, world: World) -> Value:
    """Return what the expression comes to in a world.

    Raises:
        BeyondProof: it says something this evaluator does not follow, reads a name the world
            has not, or overflows 64 bits as it would in the engine.

    Pure.
    """
    ((name, body),) = expression.items()
    operator_ = _OPERATORS.get(name)
    return operator_(body, world) if operator_ else _binary(name, body, world)


def _and(body: Mapping[str, Any], world: World) -> Value:
    return work_out(body["left"], world) is True and work_out(body["right"], world)


def _or(body: Mapping[str, Any], world: World) -> Value:
    return work_out(body["left"], world) is True or work_out(body["right"], world)


def _if(body: Mapping[str, Any], world: World) -> Value:
    return work_out(body["then" if work_out(body["if"], world) is True else "else"], world)


def _binary(name: str, body: Mapping[str, Any], world: World) -> Value:
    apply = _BINARY.get(name)
    if apply is None:
        raise BeyondProof(f"the proof does not follow {name}")
    answer = apply(work_out(body["left"], world), work_out(body["right"], world))
    return answer if isinstance(answer, bool) else _whole(answer)


def _same(left: Any, right: Any) -> bool:  # noqa: ANN401 - any value
    return type(left) is type(right) and bool(left == right)  # True is not 1 here


_BINARY: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "contains": lambda left, right: right in left,
    "containsAll": lambda left, right: left >= right,
    "containsAny": lambda left, right: not left.isdisjoint(right),
}


def _plain(value: Any) -> Value:  # noqa: ANN401 - Cedar's JSON form
    if isinstance(value, bool | int | str):
        return value
    match value:
        case {"__entity": {"type": str(kind), "id": str(id_)}}:
            return (kind, id_)
    raise BeyondProof("the proof does not follow this literal")


def _attribute(body: Mapping[str, Any]) -> str:
    variable = body["left"].get("Var")
    if variable not in {"principal", "resource", "context"}:
        raise BeyondProof("the proof follows attributes of principal, resource and context only")
    return f"{variable}.{body['attr']}"


def _read(body: Mapping[str, Any], world: World) -> Value:
    attribute = _attribute(body)
    if attribute not in world:
        raise BeyondProof(f"{attribute} has no value here")
    return world[attribute]


def _in_role(body: Mapping[str, Any], world: World) -> bool:
    if body["left"] != {"Var": "principal"}:
        raise BeyondProof('the proof follows "principal in" only')
    roles = work_out(body["right"], world)
    return ("Role", world[ROLE]) in (roles if isinstance(roles, frozenset) else {roles})


def _is_type(body: Mapping[str, Any], _world: World) -> bool:
    if "in" in body:
        raise BeyondProof('the proof does not follow "is ... in"')
    types = {"principal": "Recipient", "resource": "Event"}
    return bool(body["entity_type"] == types.get(body["left"].get("Var")))


def _like(text: str, pattern: list[Any]) -> bool:
    """Match as Cedar does: literal parts, and a wildcard for any run of characters."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "Wildcard":
        return any(_like(text[at:], rest) for at in range(len(text) + 1))
    literal = first["Literal"]
    return text.startswith(literal) and _like(text[len(literal) :], rest)


def _number(value: Value) -> int:
    if type(value) is not int:
        raise BeyondProof("a number is wanted")
    return value


def _whole(value: Any) -> int:  # noqa: ANN401 - any value
    if value not in _INT64:
        raise BeyondProof("a number overflows 64 bits, where the engine errs")
    return int(value)


def _children(expression: Expression) -> Iterator[Expression]:
    for body in expression.values():
        if isinstance(body, list):
            yield from (one for one in body if isinstance(one, dict))
        elif isinstance(body, dict):
            for part in body.values():
                if isinstance(part, dict):
                    yield part


_OPERATORS: Final[Mapping[str, Callable[[Any, World], Value]]] = {
    "Value": lambda body, _: _plain(body),
    "Set": lambda body, world: frozenset(work_out(one, world) for one in body),
    ".": _read,
    "has": lambda body, world: _attribute(body) in world,
    "&&": _and,
    "||": _or,
    "!": lambda body, world: work_out(body["arg"], world) is False,
    "if-then-else": _if,
    "in": _in_role,
    "is": _is_type,
    "like": lambda body, world: _like(str(work_out(body["left"], world)), body["pattern"]),
    "isEmpty": lambda body, world: not work_out(body["arg"], world),
    "neg": lambda body, world: _whole(-_number(work_out(body["arg"], world))),
}
