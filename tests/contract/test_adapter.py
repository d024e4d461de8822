"""The contract every agency format keeps. A new adapter's test class inherits `AdapterContract`."""

import json
from typing import ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.contract import Adapter, UnsupportedEvent
from adapters.registry import find_adapters
from gateway.model.event import MAX_ID_LENGTH, CanonicalEvent, parse_cloudevent
from gateway.model.groups import PROVENANCE
from gateway.model.kinds import KINDS
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import read_json
from tests.adapters.samples import HMPPS_SAMPLES

SOURCE = "urn:example:agency"

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)

# One strategy-driven method serves every class that inherits it.
inherited = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


class AdapterContract:
    """Inherit, and give `adapter` and `samples`: whole messages that translate."""

    adapter: ClassVar[Adapter]
    samples: ClassVar[tuple[bytes, ...]]

    def translated(self) -> list[CanonicalEvent]:
        events = [
            event
            for sample in self.samples
            for event in self.adapter.translate(sample, source=SOURCE)
        ]
        assert events, "samples must report something"
        return events

    def translates_or_refuses(self, body: bytes) -> None:
        """Translate bytes nobody vouches for: events the gateway takes, or MalformedEvent."""
        refused: tuple[Problem, ...] | None = None
        try:
            events = self.adapter.translate(body, source=SOURCE)
        except MalformedEvent as error:
            events, refused = (), error.problems
        assert refused is None or refused, "a refusal says what is wrong"
        for problem in refused or ():
            assert problem.path.startswith("$")
            assert problem.reason.isprintable()
        for event in events:
            assert parse_cloudevent(event.to_cloudevent()) == event

    @inherited
    @given(body=st.binary(max_size=300))
    def test_arbitrary_bytes_are_refused_as_malformed_and_nothing_else(self, body: bytes) -> None:
        self.translates_or_refuses(body)

    @inherited
    @given(value=JSON_VALUES)
    def test_arbitrary_json_is_refused_as_malformed_and_nothing_else(self, value: object) -> None:
        self.translates_or_refuses(json.dumps(value).encode())

    @inherited
    @given(drawn=st.data())
    def test_a_damaged_message_is_refused_or_still_well_formed(self, drawn: st.DataObject) -> None:
        sample = drawn.draw(st.sampled_from(self.samples))
        start = drawn.draw(st.integers(0, len(sample)))
        end = drawn.draw(st.integers(start, min(len(sample), start + 12)))
        patch = drawn.draw(st.binary(max_size=4) | st.text(max_size=4).map(str.encode))
        self.translates_or_refuses(sample[:start] + patch + sample[end:])

    def test_every_event_survives_the_published_form_unchanged(self) -> None:
        for event in self.translated():
            body = json.dumps(event.to_cloudevent()).encode()
            assert parse_cloudevent(read_json(body)) == event

    def test_every_group_says_where_it_comes_from(self) -> None:
        for event in self.translated():
            for group, members in event.groups.items():
                assert set(PROVENANCE) <= set(members), group

    def test_every_event_names_a_person_and_a_known_kind(self) -> None:
        for event in self.translated():
            assert event.kind in KINDS
            assert {"noms", "crn", "pnc", "cro", "nhs_number"} & set(event.groups["identifiers"])

    def test_the_same_bytes_give_the_same_events(self) -> None:
        assert self.translated() == self.translated()

    def test_different_messages_give_different_ids(self) -> None:
        ids = [event.id for event in self.translated()]
        assert len(set(ids)) == len(ids)
        assert all(0 < len(id_) <= MAX_ID_LENGTH for id_ in ids)

    def test_the_source_is_the_one_given_whatever_the_body_says(self) -> None:
        assert {event.source for event in self.translated()} == {SOURCE}
        for sample in self.samples:
            for event in self.adapter.translate(sample, source="urn:example:other"):
                assert event.source == "urn:example:other"


class TestHmppsDomainEvents(AdapterContract):
    adapter = find_adapters()["hmpps_domain_events"]
    samples = tuple(HMPPS_SAMPLES.values())


def test_every_installed_adapter_is_held_to_the_contract() -> None:
    held = {suite.adapter.name for suite in AdapterContract.__subclasses__()}
    assert set(find_adapters()) <= held


def test_an_unsupported_event_repeats_its_type_only_when_that_is_a_plain_name() -> None:
    problem = Problem(path="$.eventType", reason="not translated")
    plain = UnsupportedEvent(problem, event_type="person.temporary-absence.overdue")
    assert plain.event_type == "person.temporary-absence.overdue"
    for hostile in ("", "John Smith", "a\nb", "a" * 500, "a..b", "A1234AA", "a.b\n"):
        assert UnsupportedEvent(problem, event_type=hostile).event_type is None
