"""The rulebook: Cedar rules and catalogues, loaded whole or not at all."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import cedarpy

from gateway.model.ids import RuleId
from policies.catalogue import CATALOGUE_FILES, Catalogues, load_catalogues
from policies.engine import Engine
from policies.problem import BadRulebook
from policies.rule import Rule, read_rule

SCHEMA_FILE: Final = "schema.cedarschema"
RULE_SUFFIX: Final = ".cedar"
BESIDE: Final = ("vectors.toml", "invariants.toml")  # they try a rulebook and are no part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """A rulebook in force. Every decision names its digest."""

    digest: str  # hex SHA-256 over every file
    rules: Mapping[RuleId, Rule]
    catalogues: Catalogues
    engine: Engine
    kinds: frozenset[str]  # of event that some rule tells someone of; nobody hears of any other


def load_rulebook(files: Mapping[str, str]) -> Rulebook:
    """Read and check a rulebook.

    Args:
        files: Relative name to text: the catalogues, the Cedar schema, any number of ``.cedar``
            files; those of `BESIDE` are left alone. The folder part of a name counts for the
            digest only.

    Raises:
        BadRulebook: with a code, a file and a position. Never half a rulebook.

    Pure.
    """
    files = {name: text for name, text in files.items() if _base(name) not in BESIDE}
    _refuse_unknown(files)
    catalogues = load_catalogues(files)
    texts = {name: files[name] for name in sorted(files) if name.endswith(RULE_SUFFIX)}
    rules: dict[RuleId, Rule] = {}
    policies: dict[RuleId, Mapping[str, Any]] = {}
    for file, text in texts.items():
        for policy in _policies(file, text):
            rule = read_rule(policy, file=file, catalogues=catalogues)
            if rule.id in rules:
                raise BadRulebook(
                    "rule-id-twice",
                    file=file,
                    position=f"rule {rule.id}",
                    reason=f"also in {rules[rule.id].file}",
                )
            rules[rule.id] = rule
            policies[rule.id] = policy
    _validate(files, "\n".join(texts.values()), rules)
    return Rulebook(
        digest=digest(files),
        rules=MappingProxyType(rules),
        catalogues=catalogues,
        engine=Engine(_by_head(rules, policies), _schema(files)),
        kinds=frozenset[str]().union(
            *(rule.kinds for rule in rules.values() if rule.effect == "permit")
        ),
    )


def digest(files: Mapping[str, str]) -> str:
    """Return hex SHA-256 over the files by sorted name, each name and text length-prefixed.

    Lengths are eight octets, big-endian, of the UTF-8 that follows. Pure.
    """
    hashed = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name].encode()):
            hashed.update(len(part).to_bytes(8))
            hashed.update(part)
    return hashed.hexdigest()


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _refuse_unknown(files: Mapping[str, str]) -> None:
    seen: set[str] = set()
    for name in sorted(files):
        base = _base(name)
        if base not in (*CATALOGUE_FILES, SCHEMA_FILE) and not base.endswith(RULE_SUFFIX):
            raise BadRulebook("file-unknown", file=name)
        if base in seen:
            raise BadRulebook("file-twice", file=name)
        seen.add(base)
    if SCHEMA_FILE not in seen:
        raise BadRulebook("file-missing", file=SCHEMA_FILE)
    if not any(name.endswith(RULE_SUFFIX) for name in seen):
        raise BadRulebook("file-missing", file="*" + RULE_SUFFIX)


def _policies(file: str, text: str) -> list[Mapping[str, Any]]:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as err:
        raise BadRulebook("not-cedar", file=file, reason=str(err)) from err
    if parsed["templates"]:
        raise BadRulebook("template", file=file, reason="a template decides nothing by itself")
    return list(parsed["staticPolicies"].values())


def _schema(files: Mapping[str, str]) -> cedarpy.Schema:
    name = next(name for name in files if _base(name) == SCHEMA_FILE)
    try:
        return cedarpy.Schema.from_str(files[name])
    except ValueError as err:
        raise BadRulebook("schema-invalid", file=name, reason=str(err)) from err


def _validate(files: Mapping[str, str], text: str, rules: Mapping[RuleId, Rule]) -> None:
    result = cedarpy.validate_policies(text, _schema(files))
    if not result.validation_passed:
        fault = result.errors[0]
        id_ = RuleId(result.id_annotations_by_policy_id.get(fault.policy_id, ""))
        raise BadRulebook(
            "rule-invalid", file=rules[id_].file, position=f"rule {id_}", reason=fault.error
        )


def _by_head(
    rules: Mapping[RuleId, Rule], policies: Mapping[RuleId, Mapping[str, Any]]
) -> Mapping[tuple[str, str], str]:
    """Return Cedar text by the action and role of its head."""
    grouped: dict[tuple[str, str], dict[str, Any]] = {}
    for id_, rule in rules.items():
        grouped.setdefault((rule.action, rule.role), {})[id_] = policies[id_]
    empty: Mapping[str, Any] = {"templates": {}, "templateLinks": []}
    return {
        head: cedarpy.policies_from_json_str(json.dumps({**empty, "staticPolicies": found}))
        for head, found in grouped.items()
    }
