"""What every use case keeps, the project's own and one from outside."""

import copy
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from producers.sources import source_for
from streaming import unpickle
from streaming.archive_schema import Columns, Places
from streaming.asking import asking
from streaming.checkpoints import Stored
from streaming.codec import Codec
from streaming.merge import Merge, Moment, Place
from streaming.sealed import library_version
from streaming.settings import Settings
from streaming.usecase import Event, UseCase, View
from trainer import stored
from trainer.learner import Learner
from usecases.registry import load_use_cases, modules_of

EVENTS = 4_000
OUTSIDE = Path(__file__).parents[1] / "data" / "phishing.py"
USE_CASES = load_use_cases(Settings(use_cases=str(OUTSIDE)))
SIMULATED = [use_case for use_case in USE_CASES.values() if source_for({t.name for t in use_case.topics})]


def events_of(use_case: UseCase, count: int = EVENTS) -> list[tuple[str, Event]]:
    source = source_for({topic.name for topic in use_case.topics})
    assert source is not None
    wanted = {topic.name for topic in use_case.topics}
    return [(topic.name, event) for topic, event in islice(source.events(seed=5), count) if topic.name in wanted]


def moments_of(use_case: UseCase) -> list[Moment]:
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    merge = Merge(use_case.topics, {Place(name, 0): 0 for name in codecs}, wait_s=0)
    for offset, (name, event) in enumerate(events_of(use_case)):
        codec = codecs[name]
        value = codec.encode(event)
        decoded = codec.decode(value)
        merge.add((name, 0), offset, codec.key(event).encode(), codec.time_us(decoded), decoded, value, 0.0)
    for name in codecs:
        merge.close(Place(name, 0))
    found = []
    while (moment := merge.next(0.0)) is not None:
        found.append(moment)
    return found


def learned(use_case: UseCase) -> Learner:
    learner = Learner(use_case)
    for moment in moments_of(use_case):
        assert learner.process(moment) == []
    return learner


def own_fields(use_case: UseCase, view: View) -> dict[str, Any]:
    """What a request by key must say itself: its fields that are an event's, and that nobody can look up."""
    wanted = get_type_hints(type(use_case).request).keys() - view.keys()
    event = next(event for name, event in events_of(use_case) if name == use_case.topics[-1].name)
    return {name: value for name, value in event.items() if name in wanted}


by_name = pytest.mark.parametrize("use_case", SIMULATED, ids=lambda use_case: use_case.name)


def test_the_outside_example_is_loaded_beside_the_projects_own():
    assert {"plan", "churn", "phishing"} <= USE_CASES.keys()


@by_name
def test_every_simulated_event_satisfies_its_schema_and_survives_a_round_trip(use_case):
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    for name, event in events_of(use_case):
        assert codecs[name].decode(codecs[name].encode(event)) == event


@by_name
def test_an_archived_event_comes_back_as_it_was_decoded(use_case):
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    for topic in use_case.topics:
        codec, columns = codecs[topic.name], Columns(topic)
        decoded = [
            codec.decode(codec.encode(event)) for name, event in events_of(use_case, 10_000) if name == topic.name
        ]
        count = len(decoded)
        frame = columns.frame(decoded, "id", Places([0] * count, list(range(count)), [0] * count))
        found = columns.events(frame)
        assert found == decoded
        assert [list(event) for event in found] == [list(event) for event in decoded]
        assert [codec.decode(codec.rewrite(event)) for event in decoded] == decoded


@by_name
def test_simulated_events_are_used_without_a_dead_letter_and_every_candidate_is_scored(use_case):
    learner = learned(use_case)
    counts = learner.state.counts
    assert counts.events == len(events_of(use_case))
    assert counts.learned > 0
    assert counts.late == counts.dead == counts.duplicates == 0
    assert learner.champion in use_case.candidates
    assert len(use_case.candidates) >= 3
    for candidate in learner.state.candidates.values():
        assert candidate.failed is None
        assert candidate.scores.answers > 0


@by_name
def test_features_are_pure_and_the_same_by_features_and_by_key(use_case):
    learner = learned(use_case)
    key_field = use_case.topics[-1].key
    for key, profile in learner.state.profiles.items():
        view = profile.view()
        if not view:
            continue
        body: dict[str, Any] = {**own_fields(use_case, view), key_field: key}
        before = copy.deepcopy((body, view))
        x = use_case.features(body, view)
        assert use_case.features(body, view) == x
        assert (body, view) == before
        assert use_case.features(x, {}) == x


@by_name
def test_what_was_asked_in_training_is_what_serving_would_ask(use_case):
    learner = learned(use_case)
    for x in learner.recent:
        assert use_case.features(dict(x), {}) == x


@by_name
def test_a_checkpoint_comes_back_through_the_allow_list_and_predicts_the_same(use_case):
    learner = learned(use_case)
    content = stored.dump(learner.state, 7, {Place("t", 0): 3}, {"t": "id"})
    header = {"library_version": library_version()}
    loaded = stored.load(use_case, Stored(1, header, content))
    assert loaded.said == []
    assert loaded.state.counts == learner.state.counts
    for name, candidate in learner.state.candidates.items():
        again = loaded.state.candidates[name]
        assert again.scores.values() == candidate.scores.values()
        for x in learner.recent:
            assert asking(again.model)(x) == asking(candidate.model)(x)


@by_name
def test_the_allow_list_holds_what_the_use_case_defines_and_no_more_functions_of_others(use_case):
    names = unpickle.allowed_names(modules_of(use_case))
    assert ("os", "system") not in names
    assert (type(use_case).__module__, type(use_case).__name__) in names
