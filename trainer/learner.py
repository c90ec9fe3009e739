"""The learner: one moment of events in, a changed state out. No clock, no socket: every runner executes this code."""

import pickle
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from streaming.asking import Prediction
from streaming.codec import to_text
from streaming.errors import BadRecord, HeadraceError
from streaming.merge import Dead, Moment, Place, Record
from streaming.scoring import Reads, reads
from streaming.settings import Champion
from streaming.usecase import Answer, Event, Example, Features, Label, Outcome, Question, UseCase
from trainer.candidates import Candidate, predictor, scorer, teacher
from trainer.choice import Choice
from trainer.costs import Costs
from trainer.drift import Drift
from trainer.failures import error_line, what_was_given
from trainer.join import Join, Open
from trainer.referee import Referee
from trainer.served import Served, Serving


@dataclass
class Counts:
    """What happened over the learner's life, restarts included."""

    events: int = 0
    learned: int = 0
    questions: int = 0
    answers: int = 0
    late: int = 0
    duplicates: int = 0
    dead: int = 0
    expired: int = 0
    """Questions whose horizon passed without an answer, or that went because there were too many."""
    unasked: int = 0
    """Answers without a question."""
    evicted: int = 0
    """Profiles that went because there were too many."""


@dataclass
class State:
    """Everything the learner knows; with the clock and the offsets it is one checkpoint."""

    join: Join
    candidates: dict[str, Candidate]
    profiles: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    """By key; the one that was touched longest ago first."""
    counts: Counts = field(default_factory=Counts)
    features: frozenset[str] | None = None
    """The names in x, while all x agree."""
    features_vary: bool = False
    served: Served | None = None
    """None, as the next: of a state that was written before it was kept."""
    drifts: dict[str, Drift] | None = None
    """By candidate. They hear only samples of what a live trainer learns, and decide nothing."""
    choice: Choice = field(default_factory=Choice)

    @classmethod
    def new(cls, use_case: UseCase) -> "State":
        """A state that has heard nothing."""
        kind = type(use_case)
        return cls(Join.of(kind), {name: Candidate.new(kind, name) for name in kind.candidates})


class Learner:
    """Runs a use case's handlers over moments: joins answers to questions, scores first, then teaches."""

    def __init__(self, use_case: UseCase, state: State | None = None, rule: Champion | None = None) -> None:
        """Go on from `state`, or from nothing; `rule` says how the champion is chosen."""
        self.use_case = use_case
        self.state = state or State.new(use_case)
        self.clock = 0
        self.recent: deque[Features] = deque(maxlen=20)
        """The inputs of the last questions and examples: samples of what a request looks like."""
        self.joined = self.delay_us = 0
        """Answers that found an open question since the start, and event time from question to answer, added up."""
        self._touched: dict[str, None] = {}
        self._fresh_features = state is not None
        self._handlers = {name: list(handlers) for name, handlers in use_case.handlers().items()}
        self._key_fields = {topic.name: topic.key for topic in use_case.topics}
        self._make_profile: Callable[[], Any] | None = type(use_case).profile
        self._most_profiles = type(use_case).most_profiles
        self._metric = type(use_case).metric()
        self._clusters = reads(self._metric) is Reads.CENTERS
        self._served = self.state.served = self.state.served or Served(type(use_case))
        self._drifts = self.state.drifts = self.state.drifts or {}
        self._referee = Referee(type(use_case), self.state.choice, rule or Champion())
        self._uses: dict[type, Callable[[Any, int], None]] = {
            Example: self._example,
            Question: self._ask,
            Answer: self._answer,
        }
        self._bind()
        self._referee.keep_able("gone", self.state.counts.learned, self.clock)

    def _bind(self) -> None:
        alive = [c for c in self.state.candidates.values() if c.failed is None]
        if not alive:
            reasons = "; ".join(f"{c.name}: {c.failed}" for c in self.state.candidates.values())
            raise HeadraceError(f"{self.use_case.name}: every candidate has failed ({reasons})")
        self._pool = [(c, predictor(c), scorer(c), teacher(c)) for c in alive]
        self._referee.pool = alive
        several = len(self.state.candidates) > 1  # one alone is always served
        self._serving = Serving(self._served, self.state.candidates) if several else None

    @property
    def served(self) -> dict[str, float | None]:
        """The metric over all that was served: its value and `rolling_<name>`."""
        if self._serving is not None:
            return self._served.values(self.state.candidates)
        (own,) = (candidate.scores.values() for candidate in self.state.candidates.values())
        return {name: own[name] for name in self._served.scores.values()}

    @property
    def drifts(self) -> dict[str, Drift]:
        """What is known of each candidate's drift."""
        return self._drifts

    def look_for_drift(self) -> None:
        """Hear the candidates' mistakes since the last look, the newest of many."""
        for name, candidate in self.state.candidates.items():
            self._drifts.setdefault(name, Drift()).look(candidate.scores, self.clock)

    def process(self, moment: Moment) -> list[Dead]:
        """Use every event of one moment in its order; events that a handler cannot use come back as dead letters."""
        counts = self.state.counts
        if not moment.late:
            self.clock = moment.time
            if self.state.join.due(moment.time):
                self._run_out()
        dead: list[Dead] = []
        for record in moment.records:
            try:
                outcomes = self._handle(record)
            except BadRecord as error:
                counts.dead += 1
                place = Place(record.topic, record.partition)
                dead.append(Dead(place, record.offset, record.key, record.value, str(error), self.use_case.name))
                continue
            counts.events += 1
            counts.late += moment.late
            for outcome in outcomes:
                self._uses[type(outcome)](outcome, record.time)
        return dead

    def begin_timing(self, costs: Costs) -> None:
        """Measure how long each candidate takes, until `end_timing`; not at all times, for that takes time itself."""
        self._pool = [
            (c, costs.timed(c.name, predict), score, costs.timed(c.name, learn))
            for c, predict, score, learn in self._pool
        ]

    def end_timing(self) -> None:
        """Measure no more."""
        self._bind()

    def take_touched(self) -> list[str]:
        """The keys whose profile has changed, or went, since the last call."""
        touched, self._touched = list(self._touched), {}
        return touched

    def _run_out(self) -> None:
        """What has run out by now leaves before the moment is used."""
        join = self.state.join
        for question in join.expired(self.clock):
            self._expire(question)
        self.state.counts.unasked += join.tidy(self.clock)

    @property
    def champion(self) -> str | None:
        """The candidate that serves; None while nothing was scored."""
        return self.state.choice.champion

    def _handle(self, record: Record) -> list[Outcome]:
        """Run the handlers on one event; when one raises, the profile is as it was before."""
        event = record.event
        if self._make_profile is None:
            return self._outcomes(record.topic, event, None)
        profiles, key = self.state.profiles, str(event[self._key_fields[record.topic]])
        profile = profiles.get(key)
        before = None if profile is None else _keep(profile)
        if profile is None:
            profile = profiles[key] = self._make_profile()
        self._touched[key] = None
        try:
            outcomes = self._outcomes(record.topic, event, profile)
        except BadRecord:
            if before is None:
                del profiles[key]
            else:
                profiles[key] = pickle.loads(before) if isinstance(before, bytes) else before  # noqa: S301  # from _keep
            raise
        profiles.move_to_end(key)
        while len(profiles) > self._most_profiles:
            self._touched[profiles.popitem(last=False)[0]] = None
            self.state.counts.evicted += 1
        return outcomes

    def _outcomes(self, topic: str, event: Event, profile: Any) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for handler in self._handlers[topic]:
            try:
                made = list(handler(self.use_case, event, profile) or ())
                for outcome in made:
                    if type(outcome) is not Example or type(outcome.x) is not dict:
                        _check(outcome)
            except Exception as error:
                raise BadRecord(error_line(error, handler)) from error
            outcomes += made
        return outcomes

    def _example(self, example: Example, time: int) -> None:
        join, counts = self.state.join, self.state.counts
        # Nobody answers an example, so its id needs no readable time.
        id = example.id or f"{example.key}/{time}"
        if join.knows(id):
            counts.duplicates += 1
            return
        x, y = example.x, example.y
        self._see(x)
        join.finish(id, self.clock)
        if y is not None:
            counts.questions += 1
            counts.answers += 1
        champion, serving = self.champion, self._serving
        if serving is not None and (y is not None or self._clusters):
            serving.by(champion)
        for candidate, predict, score, learn in self._pool:
            try:
                if y is not None or self._clusters:
                    said = predict(x)
                    score(y, said, x)
                    if serving is not None and candidate.name == champion:
                        serving.score(y, said, x)
                learn(x, y)
            except Exception as error:  # noqa: BLE001  # a model may raise anything; the others go on
                self._fail(candidate, error, x, y)
        counts.learned += 1
        if y is not None or self._clusters:
            self._referee.scored(counts.learned, self.clock)

    def _ask(self, question: Question, time: int) -> None:
        join, counts = self.state.join, self.state.counts
        id = question.id or self._id(question.key, time)
        if join.knows(id):
            counts.duplicates += 1
            return
        self._see(question.x)
        counts.questions += 1
        x = dict(question.x)
        asked = Open(id, str(question.key), time, x, self._predict(x), self.champion)
        y = join.ask(asked, self.clock)
        if y is not None:
            self._teach(asked, y)
        while join.crowded_out() is not None:
            counts.expired += 1

    def _answer(self, answer: Answer, time: int) -> None:
        join, counts = self.state.join, self.state.counts
        if answer.id is None:
            counts.answers += 1
            questions = join.take_key(str(answer.key), self.clock)
            counts.unasked += not questions
            for question in questions:
                self._note_delay(question)
                self._teach(question, answer.y)
            return
        if answer.id in join.done or answer.id in join.early:
            counts.duplicates += 1
            return
        counts.answers += 1
        asked = join.take(answer.id, self.clock)
        if asked is not None:
            self._note_delay(asked)
            self._teach(asked, answer.y)
        else:
            counts.unasked += join.hold(answer.id, answer.y, time)

    def _note_delay(self, question: Open) -> None:
        self.joined += 1
        self.delay_us += self.clock - question.asked

    def _expire(self, question: Open) -> None:
        self.state.counts.expired += 1
        y = type(self.use_case).unanswered
        if y is not None:
            self.state.join.finish(question.id, self.clock)
            self._teach(question, y)

    def _predict(self, x: Features) -> dict[str, Prediction]:
        predictions = {}
        for candidate, predict, _, _ in self._pool:
            try:
                predictions[candidate.name] = predict(x)
            except Exception as error:  # noqa: BLE001  # as above
                self._fail(candidate, error, x)
        return predictions

    def _teach(self, asked: Open, y: Label) -> None:
        """Score what was predicted, then learn, candidate by candidate."""
        x, predictions, champion, serving = asked.x, asked.predictions, asked.champion, self._serving
        if serving is not None:
            serving.by(champion)
        for candidate, _, score, learn in self._pool:
            try:
                said = predictions.get(candidate.name)
                if said is not None:
                    score(y, said, x)
                    if serving is not None and candidate.name == champion:
                        serving.score(y, said, x)
                learn(x, y)
            except Exception as error:  # noqa: BLE001  # as above
                self._fail(candidate, error, x, y)
        self.state.counts.learned += 1
        self._referee.scored(self.state.counts.learned, self.clock)

    def _fail(self, candidate: Candidate, error: Exception, x: Features, y: Label | None = None) -> None:
        candidate.failed = f"{error_line(error)}; {what_was_given(x, y)}"
        self._bind()
        if candidate.name == self.champion:
            self._referee.keep_able("failed", self.state.counts.learned, self.clock)

    def _id(self, key: str, time: int) -> str:
        return f"{self.use_case.name}/{key}/{to_text(time)}"

    def _see(self, x: Features) -> None:
        """Notice which features there are; after a restart the first x must still have those of the checkpoint."""
        state = self.state
        self.recent.append(x)
        if state.features is None:
            state.features = frozenset(x)
        elif x.keys() != state.features and not state.features_vary:
            if self._fresh_features:
                raise HeadraceError(
                    f"{self.use_case.name}: the features have changed since the checkpoint (now without "
                    f"{sorted(state.features - x.keys())}, new {sorted(x.keys() - state.features)}); rebuild with "
                    "`headrace replay` or start from nothing with `--fresh`"
                )
            state.features_vary = True
        self._fresh_features = False


def as_numbers(counts: Counts) -> dict[str, int]:
    """The counts by name."""
    return {f.name: getattr(counts, f.name) for f in fields(counts)}


def _keep(profile: Any) -> Any:
    """The profile as it is now: by its own `copy` if it has one, which may be faster, else pickled."""
    copy = getattr(profile, "copy", None)
    return copy() if copy is not None else pickle.dumps(profile, 5)


def _check(outcome: Any) -> None:
    kind = type(outcome)
    if kind is not Example and kind is not Question and kind is not Answer:
        raise TypeError(f"a handler must give Question, Answer or Example, got {outcome!r}")
    if kind is Answer:
        if (outcome.id is None) == (outcome.key is None):
            raise TypeError(f"an Answer wants either an id or a key, got {outcome!r}")
        if outcome.y is None:
            raise TypeError(f"an Answer wants a label, got {outcome!r}")
    elif not isinstance(outcome.x, dict):
        raise TypeError(f"x must be a dict, got {outcome.x!r}")
