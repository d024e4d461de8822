"""The contract every agency format keeps, on the project's own examples and third-party probes. A
new adapter's test class inherits one of these; what they hold is in `gateway.testing`."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import tests.adapters
from adapters.contract import UnsupportedEvent
from adapters.registry import find_adapters
from gateway.model.problem import Problem
from gateway.testing import adapter_contract
from gateway.testing.adapter_contract import FUZZ, JSON_VALUES, share
from gateway.testing.golden import Example
from tests.adapters.examples import inbound_of, outbound_of
from tests.adapters.probes import HOSTILE_BODIES, HOSTILE_TEXTS

__all__ = [
    "FUZZ", "JSON_VALUES", "AdapterContract", "InboundContract", "OutboundContract",
    "RoundTripContract", "share",
]  # fmt: skip


class InboundContract(adapter_contract.InboundContract):
    """For an adapter that reads: inherit, and give `adapter`. Its examples are the files
    ``docs/examples/adapters/NAME/*.in.*``; more messages that translate may stand in `samples`."""

    def read_examples(self) -> list[Example]:
        return inbound_of(self.adapter.name)

    @pytest.mark.parametrize("probe", sorted(HOSTILE_BODIES))
    def test_third_party_bytes_made_to_break_a_parser_are_refused_as_malformed(
        self, probe: str
    ) -> None:
        self.translates_or_refuses(HOSTILE_BODIES[probe])


class OutboundContract(adapter_contract.OutboundContract):
    """For an adapter that writes: inherit, and give `adapter`. Its examples are the files
    ``docs/examples/adapters/NAME/*.alert.json``; more alerts that render may stand in `alerts`."""

    def written_examples(self) -> list[Example]:
        return outbound_of(self.adapter.name)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
    def test_a_third_party_text_in_any_fact_leaves_the_form_well_formed(self, text: str) -> None:
        self.stays_well_formed(text)


class RoundTripContract(InboundContract, OutboundContract, adapter_contract.RoundTripContract):
    """For an adapter that reads what it writes: give `round_trip` too."""


# Both ways, with no way back: what is written is not what is read.
class AdapterContract(InboundContract, OutboundContract, adapter_contract.AdapterContract):
    """For an adapter that reads and writes."""


def classes_of(contract: type) -> Iterator[type]:
    for one in contract.__subclasses__():
        yield one
        yield from classes_of(one)


def test_every_installed_adapter_is_held_to_the_contract_of_what_it_does() -> None:
    for path in Path(tests.adapters.__file__).parent.glob("test_*.py"):
        import_module(f"tests.adapters.{path.stem}")
    reads = {one.adapter.name for one in classes_of(InboundContract) if hasattr(one, "adapter")}
    writes = {one.adapter.name for one in classes_of(OutboundContract) if hasattr(one, "adapter")}
    found = find_adapters()
    assert {name for name, one in found.items() if one.inbound} <= reads
    assert {name for name, one in found.items() if one.outbound} <= writes


def test_an_unsupported_event_repeats_its_type_only_when_that_is_a_plain_name() -> None:
    problem = Problem(path="$.eventType", reason="not translated")
    plain = UnsupportedEvent(problem, event_type="person.temporary-absence.overdue")
    assert plain.event_type == "person.temporary-absence.overdue"
    for hostile in ("", "John Smith", "a\nb", "a" * 500, "a..b", "A1234AA", "a.b\n"):
        assert UnsupportedEvent(problem, event_type=hostile).event_type is None
