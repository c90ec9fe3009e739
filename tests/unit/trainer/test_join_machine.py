"""Questions and answers as a state machine beside an oracle of a few lines: repeats, late ones, answers first, expiry.

The learner is put away and read back between any two moments, as a restart does with a checkpoint.
"""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from river import base, metrics
from typing_extensions import TypedDict

from streaming import sealed
from streaming.checkpoints import Stored
from streaming.merge import Moment, Record
from streaming.topics import Topic
from streaming.usecase import Answer, Question, UseCase, on
from tests.examples import steps
from trainer import stored
from trainer.learner import Learner

HORIZON = 10
SECOND = 1_000_000


class Said(TypedDict):
    """A question or an answer, by id or (an answer) by key."""

    id: str | None
    key: str
    time: float
    n: int


ANSWERED = Topic("answered", Said, key="key", time="time")
ASKED = Topic("asked", Said, key="key", time="time")


class Recorder(base.Classifier):
    """Keeps what it was taught."""

    def __init__(self) -> None:
        self.taught: list[tuple[int, int | bool]] = []

    def learn_one(self, x, y):
        self.taught.append((x["n"], y))

    def predict_one(self, x, **kwargs):
        return x["n"]


class Quiz(UseCase):
    """Remembers ids for longer than a question is open."""

    topics = (ANSWERED, ASKED)
    metric = metrics.Accuracy
    horizon = timedelta(seconds=HORIZON)
    remember = timedelta(seconds=30)
    candidates = {"recorder": Recorder}

    @on(ANSWERED)
    def answer(self, event, profile):
        yield Answer(y=event["n"], id=event["id"], key=None if event["id"] else event["key"])

    @on(ASKED)
    def ask(self, event, profile):
        yield Question(key=event["key"], x={"n": event["n"]}, id=event["id"])


class Forgetful(Quiz):
    """Forgets an id while a question that was asked with it would still be open."""

    remember = timedelta(seconds=3)


class Default(Quiz):
    """Unanswered means no."""

    unanswered = False


class Oracle:
    """The same, as plainly as can be said; times are seconds, questions and answers are known by their number."""

    def __init__(self, use_case: type[UseCase]) -> None:
        self.remember, self.unanswered = (use_case.remember or timedelta()).total_seconds(), use_case.unanswered
        self.now = 0
        self.open: dict[str, tuple[int, str, int]] = {}
        self.early: dict[str, tuple[int, int]] = {}
        self.done: dict[str, int] = {}
        self.taught: list[tuple[int, Any]] = []
        self.counts = dict.fromkeys(("questions", "answers", "duplicates", "expired", "unasked", "learned"), 0)

    def teach(self, id: str, n: int, y: Any) -> None:
        self.taught.append((n, y))
        self.counts["learned"] += 1
        self.done[id] = self.now

    def pass_time(self, now: int) -> None:
        self.now = now
        for id, (asked, _, n) in sorted(self.open.items(), key=lambda item: item[1][0]):
            if asked + HORIZON < now:
                del self.open[id]
                self.counts["expired"] += 1
                if self.unanswered is not None:
                    self.teach(id, n, self.unanswered)
        self.done = {id: when for id, when in self.done.items() if when >= now - self.remember}
        waiting = {id: held for id, held in self.early.items() if held[0] + HORIZON >= now}
        self.counts["unasked"] += len(self.early) - len(waiting)
        self.early = waiting

    def ask(self, id: str, key: str, time: int, n: int) -> None:
        if id in self.open or id in self.done:
            self.counts["duplicates"] += 1
            return
        self.counts["questions"] += 1
        if id in self.early:
            self.teach(id, n, self.early.pop(id)[1])
        else:
            self.open[id] = time, key, n

    def answer(self, id: str | None, key: str, time: int, n: int) -> None:
        asked = [id] if id in self.open else [] if id else [q for q, (_, k, _) in self.open.items() if k == key]
        if id and not asked and (id in self.done or id in self.early):
            self.counts["duplicates"] += 1
            return
        self.counts["answers"] += 1
        for one in asked:
            self.teach(one, self.open.pop(one)[2], n)
        if id and not asked:
            self.early[id] = time, n
        self.counts["unasked"] += not id and not asked


ids, keys = st.sampled_from("uv"), st.sampled_from("ab")
events = st.lists(st.tuples(st.sampled_from(["ask", "ask", "answer", "by key"]), ids, keys), min_size=1, max_size=3)


class Joining(RuleBasedStateMachine):
    """Moments with several events each, and restarts."""

    @initialize(use_case=st.sampled_from([Quiz, Forgetful, Default]))
    def begin(self, use_case) -> None:
        self.use_case, self.learner, self.oracle = use_case(), Learner(use_case()), Oracle(use_case)
        self.now = self.n = 0

    @rule(moments=st.lists(st.tuples(st.sampled_from([0, 1, 2, 4, 11]), events), min_size=1, max_size=6))
    def hear(self, moments) -> None:
        """Answers come before questions, as the merge has it."""
        for gap, heard in moments:
            self.now += gap
            self.oracle.pass_time(self.now)
            self._hear(self.now, heard, late=False)

    @rule(back=st.integers(1, 15), events=events)
    def late(self, back, events) -> None:
        """After their moment: the clock stays."""
        self._hear(self.now - back, events, late=True)

    @rule()
    def restart(self) -> None:
        """Into a checkpoint and back, through the allow-list."""
        content = stored.dump(self.learner.state, self.learner.clock, {}, {})
        header = {"library_version": sealed.library_version()}
        loaded = stored.load(self.use_case, Stored(1, header, content))
        assert loaded.said == []
        self.learner = Learner(self.use_case, loaded.state)
        self.learner.clock = loaded.clock or 0

    @invariant()
    def they_agree(self) -> None:
        """Who was taught, with which answer, in which order; what is open, what was counted."""
        if not hasattr(self, "learner"):
            return
        state = self.learner.state
        candidate = state.candidates["recorder"]
        assert candidate.model.taught == self.oracle.taught
        assert candidate.scores.answers == len(self.oracle.taught)
        assert {id: question.x["n"] for id, question in state.join.open.items()} == {
            id: n for id, (_, _, n) in self.oracle.open.items()
        }
        assert {name: getattr(state.counts, name) for name in self.oracle.counts} == self.oracle.counts

    def _hear(self, time: int, events: list[tuple[str, str, str]], *, late: bool) -> None:
        records = []
        for kind, id, key in sorted(events, key=lambda event: event[0] == "ask"):
            self.n += 1
            topic = ASKED if kind == "ask" else ANSWERED
            event = {"id": None if kind == "by key" else id, "key": key, "time": time, "n": self.n}
            records.append(Record(time * SECOND, 0, b"", 0, 0, topic.name, event, b"{}", 0.0))
            if kind == "ask":
                self.oracle.ask(id, key, time, self.n)
            else:
                self.oracle.answer(None if kind == "by key" else id, key, time, self.n)
        assert self.learner.process(Moment(time * SECOND, late, records)) == []


TestJoining = Joining.TestCase
TestJoining.settings = steps(200, 15)
