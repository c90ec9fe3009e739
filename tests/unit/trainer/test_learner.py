"""The pure learner: order, join, duplicates, expiry, failures."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from river import base, dummy, linear_model, metrics, stats
from typing_extensions import TypedDict

from streaming.errors import HeadraceError
from streaming.merge import Moment, Record
from streaming.topics import Topic
from streaming.usecase import Answer, Example, Question, UseCase, on
from trainer.adoption import adopt
from trainer.learner import Learner, State

SECOND = 1_000_000


class Asked(TypedDict):
    """A question."""

    id: str
    key: str
    time: float
    x: dict[str, float]


class Answered(TypedDict):
    """A label, by id or by key."""

    id: str | None
    key: str
    time: float
    y: bool


ASKED = Topic("asked", Asked, key="key", time="time")
ANSWERED = Topic("answered", Answered, key="key", time="time")


class Counter:
    """A profile that counts."""

    def __init__(self) -> None:
        self.seen = 0

    def view(self) -> dict[str, float | str]:
        return {"seen": self.seen}


class Quiz(UseCase):
    """Questions that are answered within ten seconds."""

    topics = (ANSWERED, ASKED)
    metric = metrics.Accuracy
    profile = Counter
    horizon = timedelta(seconds=10)
    remember = timedelta(seconds=30)
    candidates = {"logistic": linear_model.LogisticRegression, "prior": dummy.NoChangeClassifier}

    @on(ASKED)
    def ask(self, event, profile):
        profile.seen += 1
        if event["x"].get("wrong"):
            raise ValueError("no such thing")
        yield Question(key=event["key"], x=event["x"], id=event["id"])

    @on(ANSWERED)
    def answer(self, event, profile):
        if event["id"] is None:
            yield Answer(y=event["y"], key=event["key"])
        else:
            yield Answer(y=event["y"], id=event["id"])


class Default(Quiz):
    """Unanswered means no."""

    unanswered = False


def moment(time: float, *events: tuple[Topic, dict[str, Any]], late: bool = False) -> Moment:
    records = [
        Record(round(time * SECOND), 0, b"", 0, 0, topic.name, {"time": time, "key": "k"} | event, b"{}", 0.0)
        for topic, event in events
    ]
    return Moment(round(time * SECOND), late, records)


def ask(id: str, key: str = "k", **x: float) -> tuple[Topic, dict[str, Any]]:
    return ASKED, {"id": id, "key": key, "x": {"a": 1.0} | x}


def tell(id: str | None, y: bool = True, key: str = "k") -> tuple[Topic, dict[str, Any]]:
    return ANSWERED, {"id": id, "key": key, "y": y}


def run(use_case: type[UseCase], *moments: Moment) -> Learner:
    learner = Learner(use_case())
    for one in moments:
        learner.process(one)
    return learner


def counts(learner: Learner, *names: str) -> tuple[int, ...]:
    return tuple(getattr(learner.state.counts, name) for name in names)


def test_an_answer_teaches_with_what_was_frozen_at_the_question():
    learner = run(Quiz, moment(0, ask("q", a=5.0)), moment(3, tell("q")))
    assert counts(learner, "questions", "answers", "learned") == (1, 1, 1)
    assert not learner.state.join.open


def test_an_answer_at_the_very_end_of_the_horizon_still_counts():
    assert counts(run(Quiz, moment(0, ask("q")), moment(10, tell("q"))), "learned", "expired") == (1, 0)


def test_after_the_horizon_the_question_is_dropped_or_answered_by_default():
    late = (moment(0, ask("q")), moment(10.1, tell("q")))
    assert counts(run(Quiz, *late), "learned", "expired") == (0, 1)
    assert counts(run(Default, *late), "learned", "expired") == (1, 1)


def test_an_answer_that_comes_first_waits_for_its_question():
    assert counts(run(Quiz, moment(0, tell("q")), moment(10, ask("q"))), "learned", "unasked") == (1, 0)
    too_late = run(Quiz, moment(0, tell("q")), moment(10.1, ask("q")), moment(30, ask("r")))
    assert counts(too_late, "learned", "unasked", "expired") == (0, 1, 1)


def test_each_id_teaches_once():
    learner = run(
        Quiz,
        moment(0, ask("q"), ask("q")),
        moment(1, tell("q"), tell("q", y=False)),
        moment(2, ask("q"), tell("q")),
        moment(3, tell("r"), tell("r")),
    )
    assert counts(learner, "learned", "duplicates") == (1, 5)


def test_ids_are_forgotten_after_remember_and_then_a_repeat_is_an_answer_without_a_question():
    learner = run(Quiz, moment(0, ask("q")), moment(1, tell("q")), moment(40, tell("q")), moment(60, ask("z")))
    assert counts(learner, "learned", "duplicates", "unasked") == (1, 0, 1)


def test_an_answer_by_key_answers_every_open_question_of_the_key_in_the_order_of_asking():
    learner = run(Quiz, moment(0, ask("q1"), ask("other", key="z")), moment(1, ask("q2")), moment(2, tell(None)))
    assert counts(learner, "learned", "answers") == (2, 1)
    assert list(learner.state.join.open) == ["other"]
    assert counts(run(Quiz, moment(0, tell(None))), "learned", "unasked") == (0, 1)


def test_a_key_that_is_a_number_is_the_same_key_for_questions_and_answers():
    class Numbered(Quiz):
        @on(ASKED)
        def ask(self, event, profile):
            yield Question(key=7, x=event["x"], id=event["id"])  # type: ignore[arg-type]  # a user may

        @on(ANSWERED)
        def answer(self, event, profile):
            yield Answer(key=7, y=event["y"])  # type: ignore[arg-type]  # as above

    assert counts(run(Numbered, moment(0, ask("q")), moment(1, tell(None))), "learned", "unasked") == (1, 0)


def test_a_question_without_an_id_is_named_by_use_case_key_and_event_time():
    class Plain(Quiz):
        @on(ASKED)
        def ask(self, event, profile):
            yield Question(key=event["key"], x=event["x"])

    assert list(run(Plain, moment(1.5, ask("-"))).state.join.open) == ["plain/k/1970-01-01T00:00:01.500000Z"]


def test_the_prediction_is_made_before_the_model_learns():
    class Echo(Quiz):
        candidates = {"last": dummy.NoChangeClassifier}

    learner = run(
        Echo,
        moment(0, ask("a"), ask("b"), ask("c")),
        moment(1, tell("a", y=True)),
        moment(2, tell("b", y=True)),
        moment(3, ask("d")),
        moment(4, tell("d", y=True)),
        moment(5, tell("c", y=True)),
    )
    # a, b and c were asked of an empty model: they say nothing and are not scored. d was right.
    assert learner.state.candidates["last"].scores.answers == 1
    assert learner.state.candidates["last"].scores.values()["Accuracy"] == 1.0


def test_a_handler_that_raises_makes_a_dead_letter_and_leaves_the_profile_as_it_was():
    learner = Learner(Quiz())
    learner.process(moment(0, ask("a")))
    dead = learner.process(moment(1, ask("b", wrong=1.0)))
    assert [letter.use_case for letter in dead] == ["quiz"]
    assert dead[0].reason.startswith("ValueError: no such thing (test_learner.py:")
    assert learner.state.profiles["k"].seen == 1
    assert counts(learner, "events", "dead") == (1, 1)
    learner.process(moment(2, ask("c", key="new", wrong=1.0)))
    learner.process(moment(3, ask("d")))
    assert learner.state.profiles["k"].seen == 2


class Copied(Counter):
    """A profile with a copy of its own."""

    def copy(self) -> "Copied":
        twin = Copied()
        twin.seen = self.seen
        return twin


@pytest.mark.parametrize("kind", [Counter, Copied])
def test_a_handler_that_raises_midway_has_done_nothing(kind):
    """What it yielded before is not used, nor what another handler of the event gave; the state is that of before."""

    class Breaks(Quiz):
        profile = kind

        @on(ASKED)
        def also(self, event, profile):
            profile.seen += 100
            yield Question(key=event["key"], x=event["x"], id=f"{event['id']}, again")
            yield Answer(y=True, id="open")
            yield Example(key=event["key"], x=event["x"], y=True)
            if event["id"] == "breaks":
                profile.seen = -1
                raise LookupError("midway")

    learner = run(Breaks, moment(0, ask("open")), moment(1, tell("early")))
    before = pickle.dumps(learner.state)
    dead = learner.process(moment(2, ask("breaks"), ask("breaks", key="new")))
    assert [letter.reason.split(" (")[0] for letter in dead] == ["LookupError: midway"] * 2
    assert learner.state.counts.dead == 2
    learner.state.counts.dead = 0
    assert pickle.dumps(learner.state) == before
    learner.process(moment(3, ask("fine")))
    assert learner.state.profiles["k"].seen == 202


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("text", "must give Question, Answer or Example"),
        (Answer(y=True), "either an id or a key"),
        (Answer(y=True, id="a", key="b"), "either an id or a key"),
        (Question(key="k", x=[1]), "x must be a dict"),  # type: ignore[arg-type]
    ],
)
def test_what_a_handler_may_not_give_is_a_dead_letter(outcome, said):
    class Odd(Quiz):
        @on(ASKED)
        def ask(self, event, profile):
            return [outcome]

    dead = Learner(Odd()).process(moment(0, ask("a")))
    assert said in dead[0].reason


class Fragile(base.Classifier):
    """Raises at its third lesson."""

    def __init__(self) -> None:
        self.lessons = stats.Count()

    def learn_one(self, x, y):
        self.lessons.update(y)
        if self.lessons.get() == 3:
            raise ZeroDivisionError("third")

    def predict_proba_one(self, x, **kwargs):
        return {True: 1.0}


def test_a_candidate_that_raises_rests_and_the_others_go_on():
    class Two(Quiz):
        candidates = {"fragile": Fragile, "logistic": linear_model.LogisticRegression}

    steps = [moment(i, ask(f"q{i}"), tell(f"q{i}")) for i in range(6)]
    learner = run(Two, *steps)
    assert "ZeroDivisionError: third" in (learner.state.candidates["fragile"].failed or "")
    assert learner.state.candidates["fragile"].scores.answers == 3
    assert learner.state.candidates["logistic"].scores.answers == 6
    assert learner.champion == "logistic"


def test_when_every_candidate_has_failed_it_stops_with_the_reasons():
    class One(Quiz):
        candidates = {"fragile": Fragile}

    with pytest.raises(HeadraceError, match="every candidate has failed.*third"):
        run(One, *[moment(i, ask(f"q{i}"), tell(f"q{i}")) for i in range(6)])


def test_the_rolling_metric_is_that_of_the_last_answers():
    class Short(Quiz):
        window = 3
        candidates = {"last": dummy.NoChangeClassifier}

    told = [True, True, False, True, True, True, True]
    learner = run(Short, *[moment(i, ask(f"q{i}"), tell(f"q{i}", y=y)) for i, y in enumerate(told)])
    values = learner.state.candidates["last"].scores.values()
    assert values["rolling_Accuracy"] == 1.0
    assert values["Accuracy"] == pytest.approx(4 / 6)


def test_a_state_that_was_pickled_goes_on_as_if_it_had_not_been():
    steps = [moment(i, ask(f"q{i}", a=float(i % 3)), tell(f"q{i - 2}", y=i % 2 == 0)) for i in range(2, 40)]
    whole = run(Default, *steps)
    half = run(Default, *steps[:17])
    again = Learner(Default(), pickle.loads(pickle.dumps(half.state)))
    again.clock = half.clock
    for one in steps[17:]:
        again.process(one)
    assert again.state.counts == whole.state.counts
    assert again.state.join == whole.state.join
    for name, candidate in whole.state.candidates.items():
        assert again.state.candidates[name].scores.values() == candidate.scores.values()
        assert again.state.candidates[name].model.predict_proba_one({"a": 1.0}) == candidate.model.predict_proba_one(
            {"a": 1.0}
        )


def test_added_candidates_start_fresh_and_removed_ones_are_dropped_and_both_are_said():
    class Wider(Quiz):
        name = "quiz"
        candidates = {"logistic": linear_model.LogisticRegression, "new": linear_model.Perceptron}

    state = run(Quiz, moment(0, ask("q")), moment(1, tell("q"))).state
    said = adopt(Wider(), state)
    assert said == ["candidate new is new: it starts fresh here", "candidate prior is dropped"]
    learner = Learner(Wider(), state)
    assert learner.state.candidates["logistic"].scores.answers == 1
    assert learner.state.candidates["new"].scores.answers == 0


def test_a_candidate_that_is_defined_differently_starts_fresh():
    class Other(Quiz):
        name = "quiz"
        candidates = {
            "logistic": lambda: linear_model.LogisticRegression(l2=0.5),
            "prior": dummy.NoChangeClassifier,
        }

    assert adopt(Other(), run(Quiz).state) == ["candidate logistic is defined differently now: it starts fresh here"]


def test_features_that_changed_since_the_checkpoint_stop_the_learner():
    state: State = run(Quiz, moment(0, ask("q"))).state
    with pytest.raises(HeadraceError, match=r"features have changed.*new \['b'\].*--fresh"):
        Learner(Quiz(), state).process(moment(1, ask("r", b=1.0)))


def test_features_that_always_vary_do_not():
    state = run(Quiz, moment(0, ask("q")), moment(1, ask("r", b=1.0))).state
    assert Learner(Quiz(), state).process(moment(2, ask("s", c=1.0))) == []


class Forgetful(Quiz):
    """Forgets an id while its first deadline is still to come."""

    remember = timedelta(seconds=3)


def test_an_id_that_is_asked_again_once_it_was_forgotten_has_its_own_horizon():
    learner = run(Forgetful, moment(0, ask("q")), moment(1, tell("q")), moment(6, ask("q")), moment(12, tell("q")))
    assert counts(learner, "questions", "learned", "expired", "unasked") == (2, 2, 0, 0)


def test_an_early_answer_to_such_an_id_waits_for_its_own_horizon():
    first = moment(0, tell("q")), moment(1, ask("q"))
    learner = run(Forgetful, *first, moment(6, tell("q")), moment(12, ask("q")))
    assert counts(learner, "questions", "learned", "expired", "unasked") == (2, 2, 0, 0)


def test_an_example_teaches_once_per_key_and_event_time():
    class Stream(Quiz):
        @on(ASKED)
        def ask(self, event, profile):
            yield Example(key=event["key"], x=event["x"], y=True)

    learner = run(Stream, moment(0, ask("a"), ask("b")), moment(1, ask("c")))
    assert counts(learner, "learned", "duplicates", "questions", "answers") == (2, 1, 2, 2)


class Few(Default):
    """Room for three profiles and for two questions."""

    most_profiles = 3
    most_open = 2


def seen(learner: Learner) -> dict[str, int]:
    return {key: profile.seen for key, profile in learner.state.profiles.items()}


def test_the_profile_that_was_touched_longest_ago_goes_and_is_counted():
    learner = run(Few, *[moment(i, ask(f"q{i}", key=key)) for i, key in enumerate("abcadb")])
    assert seen(learner) == {"a": 2, "d": 1, "b": 1}, "c and then b went; b came back as a new one"
    assert counts(learner, "evicted", "events") == (2, 6)
    assert set(learner.take_touched()) == set("abcd"), "whoever shows views must hear of those that went"


def test_an_event_that_a_handler_refused_touches_no_profile_and_evicts_none():
    learner = run(Few, *[moment(i, ask(f"q{i}", key=key)) for i, key in enumerate("abc")])
    learner.process(moment(3, ask("q3", key="a", wrong=1.0), ask("q4", key="d", wrong=1.0)))
    assert list(seen(learner)) == ["a", "b", "c"]
    assert counts(learner, "evicted", "dead") == (0, 2)


def test_which_profile_goes_does_not_depend_on_a_restart():
    steps = [moment(i, ask(f"q{i}", key=f"k{i * i % 7}")) for i in range(60)]
    whole, half = run(Few, *steps), run(Few, *steps[:31])
    again = Learner(Few(), pickle.loads(pickle.dumps(half.state)))
    for one in steps[31:]:
        again.process(one)
    assert list(seen(again).items()) == list(seen(whole).items())
    assert again.state.counts == whole.state.counts
    assert again.state.join == whole.state.join


def test_a_limit_that_was_lowered_and_a_state_that_knew_none_are_fitted():
    state = run(Default, *[moment(i, ask(f"q{i}", key=f"k{i}")) for i in range(6)]).state
    state.profiles = dict(state.profiles)  # type: ignore[assignment]
    del state.join.most
    adopt(Few(), state)
    learner = Learner(Few(), state)
    learner.process(moment(6, ask("q6", key="k6")))
    assert list(seen(learner)) == ["k4", "k5", "k6"]
    assert len(state.join.open) == 2


def test_beyond_the_limit_the_question_that_ends_first_expires_and_teaches_nothing():
    learner = run(Few, *[moment(i, ask(f"q{i}")) for i in range(4)])
    assert list(learner.state.join.open) == ["q2", "q3"]
    assert counts(learner, "expired", "learned") == (2, 0), "nobody knows yet that its answer is no"
    learner.process(moment(4, tell("q0"), tell("q3")))
    assert counts(learner, "learned", "answers") == (1, 2)
    learner.process(moment(5, (ANSWERED, {"id": None, "y": True})))
    assert counts(learner, "learned", "expired") == (2, 2)
    assert not learner.state.join.by_key


def test_beyond_the_limit_the_earliest_answer_without_a_question_goes():
    learner = run(Few, *[moment(i, tell(f"q{i}")) for i in range(4)])
    assert list(learner.state.join.early) == ["q2", "q3"]
    assert counts(learner, "unasked", "answers") == (2, 4)


def test_what_was_answered_leaves_nothing_behind_but_its_id():
    """A horizon may be months: the deadlines of answered questions must not wait for its end."""
    steps = [moment(i / 1e4, ask(f"q{i}"), tell(f"q{i}"), tell(f"r{i}"), ask(f"r{i}")) for i in range(5_000)]
    join = run(Quiz, *steps).state.join
    assert len(join.done) == 10_000
    assert len(join.deadlines) + len(join.early_deadlines) < 2_500
