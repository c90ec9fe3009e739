"""When a snapshot becomes a version, and which aliases move: decisions without a server."""

import math
from dataclasses import replace

import pytest

from streaming.snapshots import Pointer
from streaming.versions import Version, best_first
from trainer.registration import CandidateFacts, Pace, RegistryFacts, covered, moves, reason, runner_up

PACE = Pace(every_s=60, max_age_s=600, after=500)
POINTER = Pointer(
    use_case="churn",
    shard="0",
    epoch=3,
    n=9,
    candidate="logistic",
    learned=500,
    event_time=None,
    metric="ROCAUC",
    value=0.8,
    rolling=0.85,
    time="2026-01-01T00:00:00+00:00",
)


def version(number: int = 1, **changed) -> Version:
    first = Version(
        number=number,
        object="models/churn/0/3-1.model",
        snapshot="3-1",
        epoch=3,
        learner="life",
        candidate="logistic",
        metric="ROCAUC",
        value=0.8,
        rolling=0.8,
        learned=100,
        registered_s=0,
        run="r",
    )
    return replace(first, **changed)


def why(
    last: Version | None, now_s: float, *, bigger: bool = True, pointer: Pointer = POINTER, waited_s: float = 0
) -> str | None:
    return reason(pointer, "life", last, now_s=now_s, waited_s=waited_s, pace=PACE, bigger_is_better=bigger)


@pytest.mark.parametrize(
    ("last", "now_s", "wanted"),
    [
        (None, 0, "the first"),
        (version(), 59, None),
        (version(), 60, "better ROCAUC"),
        (version(rolling=0.85), 60, None),
        (version(rolling=0.9), 599, None),
        (version(rolling=0.9), 600, "the last one is old"),
        (version(rolling=None), 60, "better ROCAUC"),
        (version(candidate="forest", rolling=0.99), 60, "the champion changed"),
        (version(candidate="forest", rolling=0.99), 59, None),
        (version(learner="another", rolling=0.99), 60, "another learner"),
        (version(object=POINTER.object, rolling=0.1), 10_000, None),
        (version(object=POINTER.object, learner="another", rolling=0.99), 60, "another learner"),
    ],
)
def test_a_version_is_registered_for_these_reasons(last, now_s, wanted):
    assert why(last, now_s) == wanted


@pytest.mark.parametrize("last", [None, version(learner="another")])
@pytest.mark.parametrize(
    ("learned", "waited_s", "wanted"), [(499, 599, False), (500, 0, True), (1, 600, True), (1, math.inf, True)]
)
def test_a_life_has_its_first_version_after_some_examples_or_at_the_end_of_patience(last, learned, waited_s, wanted):
    found = why(last, 1_000, pointer=replace(POINTER, learned=learned), waited_s=waited_s)
    assert (found is not None) is wanted


def test_a_life_that_has_a_version_does_not_wait_for_examples():
    assert why(version(), 60, pointer=replace(POINTER, learned=1)) == "better ROCAUC"


def test_where_lower_is_better_a_lower_value_is_better():
    assert why(version(rolling=0.9), 60, bigger=False) == "better ROCAUC"
    assert why(version(rolling=0.8), 60, bigger=False) is None


def test_a_snapshot_without_a_rolling_value_is_never_better():
    assert why(version(), 60, pointer=replace(POINTER, rolling=None)) is None
    assert why(version(rolling=None), 60, pointer=replace(POINTER, rolling=None)) is None


@pytest.mark.parametrize(("checkpointed", "wanted"), [(None, False), (499, False), (500, True), (501, True)])
def test_a_snapshot_is_covered_by_a_checkpoint_that_knows_as_much(checkpointed, wanted):
    assert covered(facts(checkpointed=checkpointed), POINTER) is wanted


def facts(checkpointed: int | None = None, **rolling: float | None) -> RegistryFacts:
    candidates = tuple(CandidateFacts(name, name, {"rolling_ROCAUC": value}) for name, value in rolling.items())
    return RegistryFacts(500, candidates, POINTER, {}, checkpointed)


@pytest.mark.parametrize(
    ("rolling", "bigger", "wanted"),
    [
        ({"a": 0.9, "b": 0.7, "c": 0.8}, True, "c"),
        ({"a": 0.9, "b": 0.7, "c": 0.8}, False, "b"),
        ({"a": 0.9, "b": None}, True, None),
        ({"a": 0.9}, True, None),
    ],
)
def test_the_runner_up_is_the_best_beside_the_champion(rolling, bigger, wanted):
    assert runner_up(facts(**rolling), "a", "ROCAUC", bigger_is_better=bigger) == wanted


@pytest.mark.parametrize(
    ("aliases", "rivals", "wanted"),
    [
        ({}, [], {"champion": 5}),
        ({"champion": 4}, [], {"previous": 4, "champion": 5}),
        ({"champion": 4, "previous": 4}, [], {"champion": 5}),
        ({"champion": 5, "previous": 4}, [], {}),
        ({"champion": 5, "challenger": 3}, [], {"challenger": None}),
        (
            {"champion": 4},
            [version(2, rolling=0.7), version(3, rolling=0.6)],
            {"previous": 4, "champion": 5, "challenger": 2},
        ),
    ],
)
def test_aliases_move_to_the_new_champion_and_a_cut_short_move_is_finished(aliases, rivals, wanted):
    assert moves(aliases, 5, rivals, bigger_is_better=True) == wanted


def test_versions_are_listed_best_first_with_those_without_a_value_last():
    found = [version(1, rolling=None), version(2, rolling=0.5), version(3, rolling=0.9), version(4, rolling=0.5)]
    assert [one.number for one in best_first(found, bigger_is_better=True)] == [3, 4, 2, 1]
    assert [one.number for one in best_first(found, bigger_is_better=False)] == [4, 2, 3, 1]
