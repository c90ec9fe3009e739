"""What every use case keeps, the project's own and one from outside."""

import copy
import csv
from functools import cache
from itertools import islice
from typing import Any

import orjson
import pytest
from typing_extensions import get_type_hints

from benchmarks import alone
from benchmarks.drift import recovery
from benchmarks.progressive import NotEvaluated, answered, by_river
from benchmarks.simulated import EVENTS, events_of, lanes_of
from headrace.starter import sample, starter
from producers.sources import source_for
from serving.schema import RequestSchema
from streaming import unpickle
from streaming.archive_schema import Columns, Places
from streaming.asking import asking
from streaming.checkpoints import Stored
from streaming.codec import Codec
from streaming.errors import BadRecord
from streaming.merge import Place
from streaming.scoring import metric_name
from streaming.sealed import library_version
from streaming.settings import Settings
from streaming.usecase import Features
from trainer import stored
from trainer.offline import learn_all
from usecases.registry import load_use_cases, modules_of

OUTSIDE = starter.__file__  # what `headrace new` writes
USE_CASES = load_use_cases(Settings(use_cases=OUTSIDE))
SIMULATED = [name for name, use_case in USE_CASES.items() if source_for({t.name for t in use_case.topics})]
EVALUATED = [name for name, use_case in USE_CASES.items() if name != "churn" and not alone.clusters(use_case)]
SEED = 5
CHECKED = 4_000
"""Events whose features and predictions are looked at one by one."""

by_name = pytest.mark.parametrize("use_case", USE_CASES.values(), ids=USE_CASES)
simulated = pytest.mark.parametrize("use_case", [USE_CASES[name] for name in SIMULATED], ids=SIMULATED)


@cache
def events(name: str) -> list[tuple[str, Any]]:
    if name in SIMULATED:
        return events_of(USE_CASES[name], EVENTS, seed=SEED)
    (topic,) = USE_CASES[name].topics
    rows = csv.DictReader(sample.lines(EVENTS))
    return [(topic.name, Codec(topic).check(dict(row))) for row in islice(rows, EVENTS)]


@cache
def heard(name: str, count: int = EVENTS) -> alone.Heard:
    """The events, learned once for all the tests."""
    return alone.learn(USE_CASES[name], lanes_of(USE_CASES[name], events(name)[:count]))


def recent(name: str) -> list[Features]:
    return [x for learner in heard(name).learners for x in learner.recent]


def test_the_outside_example_is_loaded_beside_the_projects_own():
    own = ["plan", "churn", "fraud", "eta", "interactions", "forecast", "fair-price"]
    assert sorted(USE_CASES) == sorted([*own, "starter"])
    assert sorted(SIMULATED) == sorted(own)


@by_name
def test_every_simulated_event_satisfies_its_schema_and_survives_a_round_trip(use_case):
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    for name, event in events(use_case.name)[:10_000]:
        assert codecs[name].decode(codecs[name].encode(event)) == event


@by_name
def test_an_archived_event_comes_back_as_it_was_decoded(use_case):
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    for topic in use_case.topics:
        codec, columns = codecs[topic.name], Columns(topic)
        decoded = [
            codec.decode(codec.encode(event)) for name, event in events(use_case.name)[:10_000] if name == topic.name
        ]
        count = len(decoded)
        frame = columns.frame(decoded, "id", Places([0] * count, list(range(count)), [0] * count))
        found = columns.events(frame)
        assert found == decoded
        assert [list(event) for event in found] == [list(event) for event in decoded]
        assert [codec.decode(codec.rewrite(event)) for event in decoded] == decoded


@by_name
def test_no_two_events_of_a_key_share_their_moment_and_each_topic_is_in_the_order_of_time_and_key(use_case):
    """A simulator that was stopped goes on behind the last event of each partition, which it finds by time and key."""
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    last: dict[str, tuple[int, str]] = {}
    for name, event in events(use_case.name):
        now = codecs[name].time_us(event), codecs[name].key(event)
        assert last.get(name, (0, "")) < now
        last[name] = now


@simulated
def test_four_thousand_events_span_two_horizons(use_case):
    codecs = {topic.name: Codec(topic) for topic in use_case.topics}
    for seed in (1, 2, SEED, 42):
        times = [codecs[name].time_us(event) for name, event in events_of(use_case, 4_000, seed=seed)]
        assert (max(times) - min(times)) / 1e6 >= 2 * type(use_case).horizon.total_seconds()


@by_name
def test_simulated_events_are_used_without_a_dead_letter_and_every_candidate_is_scored(use_case):
    found = heard(use_case.name)
    counts = [learner.state.counts for learner in found.learners]
    assert sum(count.events for count in counts) == len(events(use_case.name))
    assert found.dead == sum(count.late + count.dead + count.duplicates for count in counts) == 0
    for learner in found.learners:
        assert learner.champion in use_case.candidates
        for candidate in learner.state.candidates.values():
            assert candidate.failed is None
            assert candidate.scores.answers > 0


@by_name
def test_candidates_differ_in_kind(use_case):
    pool = heard(use_case.name).learners[0].state.candidates.values()
    assert len({alone.kind_of(candidate.model) for candidate in pool}) >= (2 if alone.clusters(use_case) else 3)


@by_name
def test_the_numbers_are_those_of_river_alone(use_case):
    found = heard(use_case.name, CHECKED)
    for name, factory in use_case.candidates.items():
        ours = found.candidates[name]
        for metric, value in found.by_river(factory).items():
            assert value == pytest.approx(ours[metric], abs=1e-9), (name, metric)


@pytest.mark.parametrize("name", EVALUATED)
def test_the_metric_is_that_of_rivers_own_evaluation(name):
    """Where River has one for such questions: each with a label, answered by its id."""
    use_case, found = USE_CASES[name], heard(name, CHECKED)
    kind = type(use_case)
    rows = answered(use_case, events(name)[:CHECKED])
    for candidate, factory in use_case.candidates.items():
        ours = found.candidates[candidate][metric_name(kind.metric())]
        assert by_river(kind, factory, rows) == pytest.approx(ours, abs=1e-9), candidate


def test_rivers_evaluation_knows_no_answer_to_all_questions_of_a_key():
    with pytest.raises(NotEvaluated):
        answered(USE_CASES["churn"], events("churn")[:CHECKED])


@by_name
def test_the_champion_beats_the_naive_baseline(use_case):
    found = heard(use_case.name)
    metric, champion = type(use_case).metric(), found.learners[0].champion
    naive = found.by_river(alone.baseline(use_case)[1])[metric_name(metric)]
    assert naive is not None
    assert champion not in (None, "persistence")
    best = found.values(metric_name(metric))[champion]
    assert best > naive if metric.bigger_is_better else best < naive


@by_name
def test_features_are_pure_and_the_same_in_training_by_key_and_by_features(use_case, monkeypatch):
    """In training from the event, by key from the request's own fields and the view, by features from nothing else."""
    calls: list[tuple[dict[str, Any], dict[str, Any], Features]] = []
    kind, features = type(use_case), type(use_case).features

    def record(event: Any, view: Any) -> Features:
        x: Features = features(use_case, event, view)
        calls.append((copy.deepcopy(event), dict(view), dict(x)))
        return x

    taught = copy.copy(use_case)
    monkeypatch.setattr(taught, "features", record, raising=False)
    learn_all(taught, lanes_of(use_case, events(use_case.name)[:CHECKED]), 3)
    own = set(get_type_hints(kind.request, include_extras=True)) | {kind.topics[-1].key}
    assert calls
    for event, view, x in calls:
        before = copy.deepcopy((event, view))
        body = {name: value for name, value in event.items() if name in own}
        assert use_case.features(event, view) == x
        assert use_case.features(body, view) == x
        assert use_case.features(dict(x), {}) == x
        assert (event, view) == before


@by_name
def test_features_that_cannot_be_worked_out_are_told_in_a_sentence(use_case):
    with pytest.raises(BadRecord, match=r"^\w+ is missing"):
        use_case.features({}, {})


@by_name
def test_a_request_makes_the_round_trip_through_its_schema(use_case):
    schema = RequestSchema(use_case)
    for x in recent(use_case.name):
        assert schema.parse(orjson.dumps(x)) == x


@by_name
def test_a_checkpoint_comes_back_through_the_allow_list_and_predicts_the_same(use_case):
    for learner in heard(use_case.name).learners:
        content = stored.dump(learner.state, 7, {Place("t", 0): 3}, {"t": "id"})
        loaded = stored.load(use_case, Stored(1, {"library_version": library_version()}, content))
        assert loaded.said == []
        assert loaded.state.counts == learner.state.counts
        for name, candidate in learner.state.candidates.items():
            again = loaded.state.candidates[name]
            assert again.scores.values() == candidate.scores.values()
            for x in learner.recent:
                assert asking(again.model)(x) == asking(candidate.model)(x)


@simulated
def test_after_the_drift_of_the_simulator_the_rolling_metric_recovers(use_case):
    """When the world changes the champion falls behind one that has always known the new one, and catches up again."""
    assert recovery(heard(use_case.name), events(use_case.name), seed=SEED).share >= 0.5


@by_name
def test_the_allow_list_holds_what_the_use_case_defines_and_no_more_functions_of_others(use_case):
    names = unpickle.allowed_names(modules_of(use_case))
    assert ("os", "system") not in names
    assert ("usecases.registry", "load_use_cases") not in names
    assert (type(use_case).__module__, type(use_case).__name__) in names
