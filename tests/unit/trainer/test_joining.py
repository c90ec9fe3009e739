"""A candidate that was trained alone joins as if it had been there all the time."""

import pickle
import random
from itertools import islice
from typing import Any

import pytest
from river import compose, linear_model, preprocessing, tree

from producers import telecom
from streaming.checkpoints import Stored
from streaming.codec import Codec
from streaming.errors import HeadraceError
from streaming.merge import Merge, Place, Record
from streaming.partition import partition_of
from streaming.sealed import library_version
from streaming.settings import Settings
from streaming.store import Store
from streaming.usecase import UseCase
from trainer import joining, stored
from trainer.adoption import adopt
from trainer.alone import alone, bring_to
from trainer.joining import Joining, take_over
from trainer.learner import Learner, State
from trainer.saver import by_topic
from trainer.stored import Loaded
from usecases.telecom.churn import Churn, numbers
from usecases.telecom.events import CHURN, USAGE

PARTITIONS = 2
KEY = b"key"
IDS = {topic.name: "id" for topic in (CHURN, USAGE)}
SETTINGS = Settings()


def logistic() -> Any:
    return compose.FuncTransformer(numbers) | preprocessing.StandardScaler() | linear_model.LogisticRegression()


def hoeffding() -> Any:
    return compose.FuncTransformer(numbers) | tree.HoeffdingTreeClassifier(grace_period=50)


class One(Churn):
    """Before."""

    name = "churn"
    candidates = {"logistic": logistic}  # read only


class Both(Churn):
    """After."""

    name = "churn"
    candidates = {"hoeffding": hoeffding, "logistic": logistic}  # read only


Lanes = dict[Place, list[Record]]


@pytest.fixture(scope="module")
def lanes() -> Lanes:
    """The simulator's events in two partitions a topic."""
    found: Lanes = {Place(name, part): [] for name in IDS for part in range(PARTITIONS)}
    for topic, event in islice(telecom.events(seed=7), 5_000):
        codec = Codec(topic)
        key = codec.key(event).encode()
        place = Place(topic.name, partition_of(key, PARTITIONS))
        decoded, offset = codec.decode(codec.encode(event)), len(found[place])
        found[place].append(
            Record(codec.time_us(event), 0, key, place.partition, offset, topic.name, decoded, b"", 0.0)
        )
    return found


class Memory:
    """A source that reads lists, a few records at a time."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    def bounds(self, places: Any) -> dict[Place, tuple[int, int]]:
        return {place: (0, len(self._lanes[place])) for place in places}

    def start(self, merge: Merge, stop_at: dict[Place, int]) -> None:
        self._merge, self._stop_at, self._next = merge, stop_at, dict(merge.offsets)
        self.poll(0)

    def poll(self, _timeout_s: float) -> int:
        for place, at in self._next.items():
            upto = min(at + 7, self._stop_at[place])
            for record in self._lanes[place][at:upto]:
                self._merge.add(place, record.offset, record.key, record.time, record.event, b"", 0.0)
            self._next[place] = max(at, upto)
            if upto >= self._stop_at[place]:
                self._merge.close(place)
        return 0

    def close(self) -> None:
        """Nothing is open."""


def learn(use_case: UseCase, lanes: Lanes, learned: Loaded | None = None, *, events: int | None = None) -> Loaded:
    """Go on for so many events, to the end of a moment; None: to the end of the lanes."""
    learned = learned or Loaded(State.new(use_case), None, dict.fromkeys(lanes, 0), IDS)
    merge = Merge(use_case.topics, learned.offsets, wait_s=0, clock=learned.clock)
    learner = Learner(use_case, learned.state)
    learner.clock = learned.clock or 0
    source = Memory(lanes)
    source.start(merge, {place: len(records) for place, records in lanes.items()})
    upto = None if events is None else learned.state.counts.events + events
    while not merge.drained and (upto is None or learned.state.counts.events < upto):
        moment = merge.next(0.0)
        if moment is None:
            source.poll(0)
        else:
            assert learner.process(moment) == []
    learned.clock, learned.offsets = merge.clock, merge.offsets
    return learned


def copied(learned: Loaded) -> Loaded:
    content = stored.dump(learned.state, learned.clock, learned.offsets, learned.topic_ids)
    return stored.read(Both(), {"library_version": library_version()}, content)


def facts(state: State) -> Any:
    """All that a learner knows, but for the order of what has none."""
    return {
        "counts": state.counts,
        "open": {id: (question.x, question.predictions) for id, question in state.join.open.items()},
        "scores": {name: candidate.scores.values() for name, candidate in state.candidates.items()},
        "windows": {name: list(candidate.scores.window) for name, candidate in state.candidates.items()},
        "predictions": {
            name: [candidate.model.predict_proba_one(question.x) for question in state.join.open.values()]
            for name, candidate in state.candidates.items()
        },
    }


def brought(ends: Loaded, mine: Loaded, lanes: Lanes) -> None:
    bring_to(ends.offsets, mine, Both(), Memory(lanes), SETTINGS, lambda: None)  # type: ignore[arg-type]  # as a Source


@pytest.mark.parametrize("seed", range(3))
def test_it_knows_what_it_would_know_had_it_been_there_all_the_time(lanes, seed):
    """Through three checkpoints of the trainer; and all that follows is the same as well."""
    chance = random.Random(seed)
    mine, live = alone(Both(), "hoeffding", IDS), learn(One(), lanes, events=chance.randrange(1, 2_000))
    for _ in range(2):
        brought(live, mine, lanes)
        assert mine.offsets == live.offsets
        mine = copied(mine)
        live = learn(One(), lanes, live, events=chance.randrange(1, 800))
    joined = copied(live)
    adopt(Both(), joined.state)
    joined.fresh = ["hoeffding"]
    brought(joined, mine, lanes)
    take_over("hoeffding", mine, joined)
    there = learn(Both(), lanes, events=joined.state.counts.events)
    assert there.offsets == joined.offsets
    assert there.state.candidates["hoeffding"].scores.answers > 0
    assert facts(joined.state) == facts(there.state)
    assert facts(learn(Both(), lanes, joined).state) == facts(learn(Both(), lanes, there).state)


def test_what_the_old_definition_said_of_open_questions_does_not_score_the_new_one(lanes):
    """A fresh candidate has said nothing yet."""

    class Other(Churn):
        name = "churn"
        candidates = {"logistic": hoeffding}  # read only

    state = learn(One(), lanes, events=1_000).state
    assert all(question.predictions.keys() == {"logistic"} for question in state.join.open.values())
    assert adopt(Other(), state) == ["candidate logistic is defined differently now: it starts fresh here"]
    assert state.join.open
    assert not any(question.predictions for question in state.join.open.values())


@pytest.fixture
def place(tmp_path, lanes, monkeypatch) -> Joining:
    """Where candidates wait, over the lanes instead of Kafka."""
    monkeypatch.setattr(joining, "open_from", lambda *_: Memory(lanes))
    return Joining(SETTINGS, Store(tmp_path.as_uri()), Both(), "0", KEY)


def checkpoint(learned: Loaded, learner: str = "life") -> Stored:
    content = stored.dump(learned.state, learned.clock, learned.offsets, learned.topic_ids)
    header = {"library_version": library_version(), "learner": learner, "offsets": by_topic(learned.offsets)}
    return Stored(5, header, content)


def joined(place: Joining, found: Stored, use_case: UseCase | None = None) -> Loaded:
    loaded = stored.load(use_case or Both(), found)
    place.join(found, loaded, lambda: None)
    return loaded


def test_it_waits_in_the_store_and_joins_at_every_start_until_a_checkpoint_has_it(place, lanes, tmp_path):
    """Then it is removed; a start with the old file leaves it where it is."""
    live, mine = learn(One(), lanes, events=1_000), alone(Both(), "hoeffding", IDS)
    brought(live, mine, lanes)
    place.put("hoeffding", "life", mine)
    later = checkpoint(learn(One(), lanes, live, events=500))
    there = learn(Both(), lanes, events=stored.load(One(), later).state.counts.events)
    for _ in range(2):
        loaded = joined(place, later)
        assert loaded.fresh == []
        assert loaded.said == [
            f"candidate hoeffding joins as it was replayed: {there.state.counts.learned} examples learned"
        ]
        assert facts(loaded.state) == facts(there.state)
    assert joined(place, later, One()).said == []
    assert list((tmp_path / "candidates").rglob("*.ckpt"))
    assert joined(place, checkpoint(loaded)).said == []
    assert not list((tmp_path / "candidates").rglob("*.ckpt"))


def test_a_candidate_that_is_defined_differently_joins_in_the_place_of_the_old_one(place, lanes):
    """A start with the old definition leaves what waits where it is."""

    class Old(Churn):
        name = "churn"
        candidates = {"hoeffding": logistic, "logistic": logistic}  # read only

    live, mine = learn(Old(), lanes, events=1_000), alone(Both(), "hoeffding", IDS)
    brought(live, mine, lanes)
    place.put("hoeffding", "life", mine)
    there = learn(Both(), lanes, events=live.state.counts.events)
    assert joined(place, checkpoint(live), Old()).said == []
    loaded = joined(place, checkpoint(live))
    assert loaded.fresh == []
    assert facts(loaded.state) == facts(there.state)


def test_what_does_not_belong_to_the_checkpoint_is_left_out_with_the_reason(place, lanes, tmp_path):
    """Another life, more learned than the checkpoint, changed bytes: the candidate starts fresh."""
    early, live = learn(One(), lanes, events=500), learn(One(), lanes, events=1_000)
    mine = alone(Both(), "hoeffding", IDS)
    brought(live, mine, lanes)
    place.put("hoeffding", "life", mine)
    new = "candidate hoeffding is new: it starts fresh here"
    out = "what was replayed for candidate hoeffding is left out:"
    assert joined(place, checkpoint(live, "another")).said == [new, f"{out} the learner was started anew since"]
    assert joined(place, checkpoint(early)).said == [new, f"{out} it has learned more than the checkpoint holds"]
    (file,) = (tmp_path / "candidates").rglob("*.ckpt")
    file.write_bytes(file.read_bytes()[:-1])
    loaded = joined(place, checkpoint(live))
    assert loaded.said == [new, f"{out} its body is not the one that was written (checksum)"]
    assert loaded.fresh == ["hoeffding"]
    assert loaded.state.candidates["hoeffding"].scores.answers == 0


def test_a_candidate_that_fails_alone_says_why(lanes):
    """There is nobody else to go on."""

    class Broken(linear_model.LogisticRegression):
        def learn_one(self, x, y, w=1.0):
            raise ZeroDivisionError("no")

    class Bad(Churn):
        name = "churn"
        candidates = {"broken": lambda: compose.FuncTransformer(numbers) | Broken()}  # read only

    ends = learn(One(), lanes, events=2_000)
    with pytest.raises(HeadraceError, match="every candidate has failed .broken: ZeroDivisionError: no"):
        bring_to(ends.offsets, alone(Bad(), "broken", IDS), Bad(), Memory(lanes), SETTINGS, lambda: None)  # type: ignore[arg-type]


def test_states_of_the_test_can_be_told_apart(lanes):
    """Otherwise nothing above says anything."""
    one, other = (learn(Both(), lanes, events=count).state for count in (1_000, 1_100))
    assert facts(one) != facts(other)
    assert pickle.dumps(one) != pickle.dumps(other)
