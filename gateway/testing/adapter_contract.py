"""The contract every agency format keeps. A new adapter's test class inherits what it does: one
way (`InboundContract`, `OutboundContract`), both (`AdapterContract`), back (`RoundTripContract`).
"""

# ruff: noqa: S101, D102 - these are tests, and their names say what they hold

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.contract import Adapter, NotRendered, Rendition
from gateway.model.alert import Alert, parse_alert, read_alert
from gateway.model.event import MAX_ID_LENGTH, CanonicalEvent, parse_cloudevent
from gateway.model.groups import PROVENANCE
from gateway.model.kinds import KINDS, OWN_KINDS
from gateway.model.problem import MalformedAlert, MalformedEvent, Problem
from gateway.model.strict_json import read_json
from gateway.testing.golden import (
    SOURCE,
    Example,
    events_text,
    file_of,
    inbound_of,
    outbound_of,
    rendered,
)
from gateway.testing.hostile import HOSTILE_BODIES, HOSTILE_TEXTS
from gateway.testing.statements import (
    as_json,
    facts_of,
    values_of,
    well_formed,
    with_each_text,
    without_each,
    words_of,
)

# Shared out over three strategies; `make nightly` asks for 10,000.
FUZZ = int(os.environ.get("THROUGHGATE_FUZZ_EXAMPLES", "500"))

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


def share(of_hundred: int) -> settings:
    """Return settings for this share of the fuzz examples; one method serves every subclass."""
    return settings(
        max_examples=FUZZ * of_hundred // 100,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
    )


class InboundContract:
    """For an adapter that reads: inherit, and give `adapter`. Its examples are the files ``*.in.*``
    of the folder `examples`; more messages that translate may stand in `samples`."""

    adapter: ClassVar[Adapter]
    examples: ClassVar[Path | None] = None
    samples: ClassVar[tuple[bytes, ...]] = ()

    def read_examples(self) -> Sequence[Example]:
        """Return the examples of what is read."""
        return inbound_of(self.examples) if self.examples else ()

    def inbound(self) -> tuple[bytes, ...]:
        kept = (one.given.read_bytes() for one in self.read_examples())
        given = (*kept, *self.samples)
        assert given, "give at least one message that translates"
        return given

    def translated(self) -> list[CanonicalEvent]:
        events = [
            event
            for sample in self.inbound()
            for event in self.adapter.translate(sample, source=SOURCE).events
        ]
        assert events, "samples must report something"
        return events

    def translates_or_refuses(self, body: bytes) -> None:
        """Translate bytes nobody vouches for: events the gateway takes, or MalformedEvent."""
        refused: tuple[Problem, ...] | None = None
        events: tuple[CanonicalEvent, ...] = ()
        said: tuple[Problem, ...] = ()
        try:
            translation = self.adapter.translate(body, source=SOURCE)
            events, said = translation.events, translation.notes
            assert all(path.startswith("$") and path.isprintable() for path in translation.unread)
        except MalformedEvent as error:
            refused = error.problems
        assert refused is None or refused, "a refusal says what is wrong"
        for problem in (*(refused or ()), *said):
            assert problem.path.startswith("$")
            assert problem.path.isprintable()
            assert problem.reason.isprintable()
        for event in events:
            assert parse_cloudevent(event.to_cloudevent()) == event

    @share(20)
    @given(body=st.binary(max_size=300))
    def test_arbitrary_bytes_are_refused_as_malformed_and_nothing_else(self, body: bytes) -> None:
        self.translates_or_refuses(body)

    @share(20)
    @given(value=JSON_VALUES)
    def test_arbitrary_json_is_refused_as_malformed_and_nothing_else(self, value: object) -> None:
        self.translates_or_refuses(json.dumps(value).encode())

    @share(60)
    @given(drawn=st.data())
    def test_a_damaged_message_is_refused_or_still_well_formed(self, drawn: st.DataObject) -> None:
        sample = drawn.draw(st.sampled_from(self.inbound()))
        start = drawn.draw(st.integers(0, len(sample)))
        end = drawn.draw(st.integers(start, min(len(sample), start + 12)))
        patch = drawn.draw(st.binary(max_size=4) | st.text(max_size=4).map(str.encode))
        self.translates_or_refuses(sample[:start] + patch + sample[end:])

    @pytest.mark.parametrize("probe", sorted(HOSTILE_BODIES))
    def test_bytes_made_to_break_a_parser_are_refused_as_malformed(self, probe: str) -> None:
        self.translates_or_refuses(HOSTILE_BODIES[probe])

    def test_no_member_of_the_examples_goes_unread(self) -> None:
        for sample in self.inbound():
            assert self.adapter.translate(sample, source=SOURCE).unread == ()

    def test_the_golden_events_are_what_the_examples_translate_to(self) -> None:
        for example in self.read_examples():
            assert example.kept, f"{example.given.name}: run python -m gateway.testing.golden"
            made = events_text(self.adapter, example.given.read_bytes())
            assert made == example.kept[""].read_text("utf-8"), example.given.name

    def test_a_member_taken_out_adds_no_fact(self) -> None:
        """No field is invented: with less said, nothing more is stated, but that it is missing."""
        for sample in self.inbound():
            try:
                value = read_json(sample)
            except MalformedEvent:
                continue
            full = facts_of(self.adapter.translate(sample, source=SOURCE).events)
            for less in without_each(value):
                try:
                    events = self.adapter.translate(json.dumps(less).encode(), source=SOURCE).events
                except MalformedEvent:
                    continue
                kinds = {path.partition(" ")[0] for path in full}
                more = {one for one in facts_of(events) - full if one.partition(" ")[0] in kinds}
                assert not more, "states what the whole message does not"

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
            assert event.kind in KINDS - OWN_KINDS
            assert {"noms", "crn", "pnc", "cro", "nhs_number"} & set(event.groups["identifiers"])

    def test_the_same_bytes_give_the_same_events(self) -> None:
        assert self.translated() == self.translated()

    def test_different_messages_give_different_ids(self) -> None:
        ids = [event.id for event in self.translated()]
        assert len(set(ids)) == len(ids)
        assert all(0 < len(id_) <= MAX_ID_LENGTH for id_ in ids)

    def test_the_source_is_the_one_given_whatever_the_body_says(self) -> None:
        assert {event.source for event in self.translated()} == {SOURCE}
        for sample in self.inbound():
            for event in self.adapter.translate(sample, source="urn:example:other").events:
                assert event.source == "urn:example:other"


class OutboundContract:
    """For an adapter that writes: inherit, and give `adapter`. Its examples are the files
    ``*.alert.json`` of the folder `examples`; more alerts that render may stand in `alerts`."""

    adapter: ClassVar[Adapter]
    examples: ClassVar[Path | None] = None
    alerts: ClassVar[tuple[bytes, ...]] = ()

    def written_examples(self) -> Sequence[Example]:
        """Return the examples of what is written."""
        return outbound_of(self.examples) if self.examples else ()

    def outbound(self) -> list[Alert]:
        kept = (one.given.read_bytes() for one in self.written_examples())
        given = [read_alert(body) for body in (*kept, *self.alerts)]
        assert given, "give at least one alert that renders"
        return given

    def test_the_golden_renditions_are_what_the_alerts_become(self) -> None:
        said: set[str] = set()
        for example in self.written_examples():
            made = rendered(self.adapter, example.given.read_bytes())
            assert set(made) == set(example.kept), "run python -m gateway.testing.golden"
            for form, rendition in made.items():
                kept = file_of(example, form, rendition)
                assert rendition.body == kept.read_bytes(), kept.name
                assert rendition.media_type == self.adapter.form(form).media_type  # type: ignore[union-attr]
            said |= set(made)
        assert said == {one.form for one in self.adapter.outbound}, "an example for every form"

    def renders(self, alert: Alert) -> list[Rendition]:
        """Render an alert in every form; whatever it says, a form is well formed or declined."""
        made = [one.render(alert) for one in self.adapter.outbound]
        for one in made:
            if isinstance(one, NotRendered):
                assert one.reasons
                assert all(reason.isprintable() for reason in one.reasons)
            else:
                assert one.file_name.isascii()
                assert one.file_name.isprintable()
                assert "/" not in one.file_name
                well_formed(one)
        return [one for one in made if isinstance(one, Rendition)]

    def test_a_form_says_nothing_that_the_alert_does_not(self) -> None:
        """Each group taken out of the alert: no word that stood only there is in the form."""
        for alert in self.outbound():
            value = as_json(alert)
            for group in list(value["facts"]):
                facts = {name: one for name, one in value["facts"].items() if name != group}
                less = {**value, "facts": facts}
                made = self.renders(parse_alert(less))
                left = set(words_of(value["facts"][group])) - set(words_of(less))
                said = [w for w in left for one in made if w.encode() in one.body]
                assert not said, group

    def test_a_recall_is_rendered_without_facts_or_declined(self) -> None:
        for alert in self.outbound():
            value = as_json(alert)
            words = set(words_of(value["facts"]))
            recall = {**value, "message_type": "RECALL", "reason": "retracted", "facts": {}}
            recall |= {"supersedes": "alt_1", "groups": [], "intel_conditions": None}
            made = self.renders(parse_alert(recall))
            left = words - set(words_of(recall))
            assert not [word for word in left for one in made if word.encode() in one.body]

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
    def test_a_hostile_text_in_any_fact_leaves_the_form_well_formed(self, text: str) -> None:
        self.stays_well_formed(text)

    def stays_well_formed(self, text: str) -> None:
        """Put a text in the place of each fact: every form is well formed, or declined."""
        for alert in self.outbound():
            value = as_json(alert)
            for facts in with_each_text(value["facts"], text):
                try:
                    hostile = parse_alert({**value, "facts": facts})
                except MalformedAlert:  # a text the published form refuses
                    continue
                self.renders(hostile)


class RoundTripContract(InboundContract, OutboundContract):
    """For an adapter that reads what it writes: give `round_trip` too."""

    # Facts that survive alert -> own form -> event, as "group.member".
    round_trip: ClassVar[frozenset[str]]

    def test_what_is_written_can_be_read_back(self) -> None:
        for alert in self.outbound():
            made = self.renders(alert)
            events = [
                event
                for one in made
                for event in self.adapter.translate(one.body, source=SOURCE).events
            ]
            back = {path for event in events for path in values_of(event.groups)}
            told = {one for one in values_of(alert.facts) if one[0] in self.round_trip}
            assert told
            assert told <= back


# Both ways, with no way back: what is written is not what is read.
class AdapterContract(InboundContract, OutboundContract):
    """For an adapter that reads and writes."""
