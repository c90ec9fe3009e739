"""The champion changes by evidence alone: equal candidates do not take turns, a better one takes over soon."""

import pickle
import random
from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from river import base, metrics
from typing_extensions import TypedDict

from streaming.merge import Moment, Record
from streaming.settings import Champion
from streaming.topics import Topic
from streaming.usecase import Answer, Example, Question, UseCase, on
from trainer.adoption import adopt
from trainer.choice import Change, Choice
from trainer.learner import Learner, State
from trainer.status import learner_facts

Probabilities = tuple[float, float]


class Tossed(TypedDict):
    """What is right, and what each candidate will say."""

    id: str
    time: float
    y: bool
    x: dict[str, float]


TOSSED = Topic("tossed", Tossed, key="id", time="time")


class Says(base.Classifier):
    """Repeats one feature, and raises where there is none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def learn_one(self, x, y):
        """Nothing to learn."""

    def predict_one(self, x, **kwargs):
        """What the feature says."""
        return bool(x[self.name])


class Guess(UseCase):
    """Two candidates that are right as often as their feature is."""

    topics = (TOSSED,)
    metric = metrics.Accuracy
    remember = timedelta(seconds=10)
    candidates = {"one": lambda: Says("one"), "two": lambda: Says("two")}

    @on(TOSSED)
    def toss(self, event, profile):
        yield Example(event["id"], event["x"], event["y"], event["id"])


def tosses(seed: int, count: int, right: Callable[[int], Probabilities]) -> Iterable[Moment]:
    """`right` gives how often each of the two is right at the n-th toss; their mistakes have nothing in common."""
    dice = random.Random(seed)
    for n in range(count):
        y, (one, two) = dice.random() < 0.5, right(n)
        x = {"one": float(y == (dice.random() < one)), "two": float(y == (dice.random() < two)), "right": float(y)}
        event = {"id": str(n), "time": n, "y": y, "x": x}
        yield Moment(n * 1_000_000, False, [Record(n * 1_000_000, 0, b"", 0, n, TOSSED.name, event, b"{}", 0.0)])


def learned(moments: Iterable[Moment], use_case: type[UseCase] = Guess, rule: Champion | None = None) -> Learner:
    learner = Learner(use_case(), rule=rule)
    for moment in moments:
        learner.process(moment)
    return learner


def changes(learner: Learner) -> list[Change]:
    return list(learner.state.choice.changes)


@pytest.mark.parametrize("seed", range(4))
def test_of_two_equal_candidates_the_champion_changes_at_most_once(seed: int):
    learner = learned(tosses(seed, 50_000, lambda _: (0.8, 0.8)))
    assert len(changes(learner)) <= 1


@pytest.mark.parametrize("seed", range(4))
def test_one_that_is_right_three_times_in_a_hundred_more_takes_over_within_5000_answers(seed: int):
    learner = learned(tosses(seed, 5_000, lambda _: (0.8, 0.83)))
    assert learner.champion == "two"


def test_the_first_champion_is_the_first_that_is_scored():
    learner = learned(tosses(1, 1, lambda _: (0.0, 0.0)))
    assert (learner.champion, changes(learner)) == ("one", [])


def test_what_was_better_and_is_so_no_longer_gives_its_place_back():
    learner = learned(tosses(1, 20_000, lambda n: (0.9, 0.6) if 5_000 <= n < 10_000 else (0.6, 0.9)))
    assert [(change.before, change.after) for change in changes(learner)] == [
        ("one", "two"),
        ("two", "one"),
        ("one", "two"),
    ]


def test_a_change_tells_its_evidence():
    change = changes(learned(tosses(1, 3_000, lambda _: (0.6, 0.9))))[0]
    assert (change.number, change.before, change.after, change.why) == (1, "one", "two", "better")
    assert (change.learned, change.clock, change.blocks) == (1_000, 999_000_000, 10)
    assert change.p is not None
    assert change.p < 0.03
    assert change.values == pytest.approx({"one": 0.6, "two": 0.9}, abs=0.05)


def test_a_smaller_alpha_waits_for_more_evidence():
    def first(alpha: float) -> int:
        moments = tosses(3, 5_000, lambda _: (0.8, 0.85))
        return changes(learned(moments, rule=Champion(alpha=alpha)))[0].learned

    assert first(0.03) < first(0.00001)


class Three(Guess):
    """A third one, which begins later."""

    candidates = {**Guess.candidates, "late": lambda: Says("right")}


def test_a_champion_that_fails_is_replaced_at_once_by_the_best_of_the_others():
    moments = list(tosses(1, 501, lambda _: (0.9, 0.6)))
    del moments[500].records[0].event["x"]["one"]
    learner = learned(moments)
    change = changes(learner)[0]
    assert (learner.champion, change.before, change.after, change.why) == ("two", "one", "two", "failed")
    assert (change.blocks, change.p) == (0, None)


def test_a_champion_that_the_use_case_has_no_longer_is_replaced_at_the_start():
    class Other(Guess):
        """Without the champion."""

        name = "guess"
        candidates = {"two": Guess.candidates["two"]}

    before = learned(tosses(1, 500, lambda _: (0.9, 0.6)))
    assert before.champion == "one"
    adopt(Other(), before.state)
    assert (Learner(Other(), before.state).champion, changes(before)[0].why) == ("two", "gone")


def test_a_candidate_that_begins_later_is_judged_by_what_it_answered_itself():
    state = learned(tosses(1, 2_000, lambda _: (0.6, 0.6))).state
    adopt(Three(), state)
    learner = Learner(Three(), state)
    for moment in list(tosses(1, 6_000, lambda _: (0.6, 0.6)))[2_000:]:
        learner.process(moment)
    assert learner.champion == "late"
    assert changes(learner)[-1].learned == 3_000


def test_the_choice_goes_on_where_a_checkpoint_left_it():
    moments = list(tosses(5, 4_000, lambda _: (0.8, 0.84)))
    whole = learned(moments)
    half = learned(moments[:1_234])
    again = Learner(Guess(), pickle.loads(pickle.dumps(half.state)))
    for moment in moments[1_234:]:
        again.process(moment)
    assert changes(again) == changes(whole) != []


def test_pairs_tell_gain_and_how_often_they_disagree():
    learner = learned(tosses(1, 900, lambda _: (1.0, 0.75)))
    pair = learner_facts(learner)["paired"]["two"]
    assert (pair["gain"], pair["apart"]) == pytest.approx((-0.25, 0.25), abs=0.04)
    assert (pair["p"], pair["blocks"]) == (1.0, 9)


class Number(base.Regressor):
    """A number from a feature."""

    def __init__(self, name: str) -> None:
        self.name = name

    def learn_one(self, x, y):
        """Nothing to learn."""

    def predict_one(self, x):
        """The feature."""
        return x[self.name]


class Measure(UseCase):
    """Smaller is better."""

    topics = (TOSSED,)
    metric = metrics.MAE
    candidates = {"one": lambda: Number("one"), "two": lambda: Number("two")}

    @on(TOSSED)
    def toss(self, event, profile):
        yield Question(event["id"], event["x"], event["id"])
        yield Answer(0.5, event["id"])


def test_of_an_error_the_smaller_one_wins_and_the_distance_of_predictions_is_told():
    learner = learned(tosses(1, 900, lambda _: (0.5, 0.5)), Measure)
    assert learner.champion == "one"
    assert learner_facts(learner)["paired"]["two"]["apart"] == pytest.approx(0.5, abs=0.1)

    def nearer(moment: Moment) -> Moment:
        moment.records[0].event["x"]["two"] = 0.4
        return moment

    better = learned(map(nearer, tosses(1, 2_000, lambda _: (0.5, 0.5))), Measure)
    assert [change.after for change in changes(better)] == ["two"]


def test_a_block_counts_only_for_those_that_scored_all_of_it():
    choice, candidates = Choice(champion="one"), State.new(Guess()).candidates
    one, two = candidates.values()
    for _ in range(10):
        one.scores.window.append((True, (True, None, None)))
        one.scores.answers += 1
    two.scores.window.extend([(True, (False, None, None))] * 9)
    two.scores.answers = 9
    choice.take([one, two], 10, Champion())
    assert choice.blocks.keys() == {"one"}
