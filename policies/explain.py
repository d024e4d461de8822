"""The sentences a data protection officer reads about one decision. They name no person."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby

from gateway.model.decision import Grant, Permit, Proposal, Reason, Refusal, Withheld
from gateway.model.party import Recipient
from policies.rulebook import Rulebook

_REGIMES = {"P3": "DPA 2018 Part 3", "GDPR": "UK GDPR with DPA 2018 Part 2"}


def explain(permit_or_refusal: Permit | Refusal, recipient: Recipient, rulebook: Rulebook) -> str:
    """Say what was decided, by which rule, on which basis, and what was withheld and why.

    Args:
        permit_or_refusal: Decided under this rulebook or another; the text says which.
        recipient: The one the decision is about.
        rulebook: Where the rules' sources are looked up.

    Returns:
        Lines of prose without a final newline: names of groups and members, never values.

    Pure.
    """
    who = f"{recipient.organisation} ({_role_title(recipient, rulebook)})"
    lines: list[str] = []
    if isinstance(permit_or_refusal, Refusal):
        lines.append(f"{who} is told nothing.")
        lines += [_refused(reason) for reason in permit_or_refusal.reasons]
    else:
        use = "action" if permit_or_refusal.for_action else "information"
        lines.append(f"{who} may be told, for {use}.")
        lines += [_granted(grant, rulebook) for grant in permit_or_refusal.grants]
        lines += [_withheld(withheld) for withheld in permit_or_refusal.withheld]
    lines += [_proposed(proposal, rulebook) for proposal in permit_or_refusal.proposals]
    lines.append(_decided_under(permit_or_refusal.rulebook, rulebook))
    return "\n".join(lines)


def _role_title(recipient: Recipient, rulebook: Rulebook) -> str:
    role = rulebook.catalogues.roles.get(recipient.role)
    return role.title if role else "role unknown to the rulebook"


def _granted(grant: Grant, rulebook: Rulebook) -> str:
    rule = rulebook.rules.get(grant.rule)
    source = f" ({rule.source})" if rule else ""
    condition = f", {grant.condition}" if grant.condition else ""
    document = f", policy document {grant.policy_document}" if grant.policy_document else ""
    decided = f", decided by a {grant.decided_by.replace('_', ' ')}" if grant.decided_by else ""
    answer = ""
    if grant.acknowledge_within is not None:
        answer = f" Acknowledge within {_span(grant.acknowledge_within)}."
    purpose = grant.purpose.replace("_", " ")
    return (
        f"Rule {grant.rule}{source}, relying on {grant.citation} [{grant.basis}] under "
        f"{_REGIMES[grant.regime]}{condition}{document}{decided}, for {purpose}: "
        f"{_by_group(grant.members)}.{answer}"
    )


def _by_group(members: Iterable[str]) -> str:
    return "; ".join(
        f"{group} ({', '.join(path.partition('.')[2] for path in paths)})"
        for group, paths in groupby(members, key=lambda path: path.partition(".")[0])
    )


def _withheld(withheld: Withheld) -> str:
    return f"Withheld, {withheld.group}: {withheld.reason.text}{_by_rule(withheld.reason)}"


def _refused(reason: Reason) -> str:
    return f"Because: {reason.text}{_by_rule(reason)}"


def _proposed(proposal: Proposal, rulebook: Rulebook) -> str:
    rule = rulebook.rules.get(proposal.rule)
    source = f" ({rule.source})" if rule else ""
    return (
        f"A {proposal.decided_by.replace('_', ' ')} may decide, by rule {proposal.rule}{source}, "
        f"relying on {proposal.citation} [{proposal.basis}], for "
        f"{proposal.purpose.replace('_', ' ')}: {_by_group(proposal.members)}."
    )


def _by_rule(reason: Reason) -> str:
    return f" [{reason.code}, rule {reason.rule}]" if reason.rule else f" [{reason.code}]"


def _span(within: timedelta) -> str:
    minutes = within // timedelta(minutes=1)
    units = ((24 * 60, "day"), (60, "hour"), (1, "minute"))
    length, unit = next(each for each in units if minutes % each[0] == 0)
    number = minutes // length
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _decided_under(decided: str, rulebook: Rulebook) -> str:
    here = "this rulebook" if decided == rulebook.digest else "a rulebook other than this one"
    return f"Decided under {here}, {decided[:16]}."
