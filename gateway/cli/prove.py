"""`policy prove`: the invariants shown over every combination of facts, or what breaks them."""

from collections.abc import Iterator
from pathlib import Path

import typer

from gateway.cli.exits import NO, OK, UNKNOWN, Trouble, read_file
from gateway.cli.policy import say_json
from gateway.instance import rulebook_texts
from gateway.model.strict_json import Json, JsonObject
from policies.proof.condition import BeyondProof
from policies.proof.invariant import INVARIANTS_FILE
from policies.proof.prove import Counterexample, Proof, Prover

_MAX_INVARIANTS = 1024 * 1024


def prove(file: Path | None, *, rulebook_dir: Path | None, as_json: bool) -> int:
    """Prove every invariant. 0 if all hold, 1 if one does not, 3 if that cannot be told."""
    texts = rulebook_texts(rulebook_dir)
    try:
        prover = Prover(texts, _invariants(file, texts))
        proofs = list(prover.proofs())
    except BeyondProof as error:
        raise Trouble(f"cannot be proved either way: {error}", UNKNOWN) from None
    held = sum(proof.holds for proof in proofs)
    if as_json:
        say_json(
            {
                "ok": held == len(proofs),
                "digest": prover.digest,
                "combinations": str(prover.combinations),  # more than a JSON reader may count
                "invariants": [_plain(proof) for proof in proofs],
            }
        )
    else:
        for proof in proofs:
            for line in _lines(proof):
                typer.echo(line)
        typer.echo(
            f"{held} of {len(proofs)} hold over all {prover.combinations:.1e} combinations of"
            f" facts; rulebook {prover.digest}"
        )
    return OK if held == len(proofs) else NO


def _invariants(file: Path | None, texts: dict[str, str]) -> str:
    """Return the text given, else the rulebook's own, else the one shipped."""
    if file is None:
        return texts.get(INVARIANTS_FILE) or rulebook_texts(None)[INVARIANTS_FILE]
    try:
        return read_file(file, _MAX_INVARIANTS).decode("utf-8")
    except UnicodeDecodeError:
        raise Trouble(f"{file} is not UTF-8 text") from None


def _lines(proof: Proof) -> Iterator[str]:
    yield f"{'holds ' if proof.holds else 'BROKEN'} {proof.id}: {proof.text}"
    if proof.counterexample is not None:
        yield f"       {in_words(proof.counterexample)}"


def in_words(case: Counterexample) -> str:
    """Say the case that breaks an invariant, in one sentence."""
    facts = f": {'; '.join(case.facts)}" if case.facts else ", whatever the facts"
    if not case.role:
        return f"breaks{facts}"
    if not case.told:
        by = f"Rule {case.rule}, for" if case.rule else "Nothing answers"
        return f"{by} {case.role}{facts}"
    by = f"rule {case.rule}" if case.rule else "any rule that names it"
    return f"{case.role} could be told {case.told} by {by}{facts}"


def _plain(proof: Proof) -> JsonObject:
    case = proof.counterexample
    broken: JsonObject | None = None
    if case is not None:
        broken = {
            "role": case.role,
            "rule": case.rule,
            "told": case.told,
            "facts": list[Json](case.facts),
        }
    return {
        "id": proof.id,
        "text": proof.text,
        "source": proof.source,
        "holds": proof.holds,
        "counterexample": broken,
    }
