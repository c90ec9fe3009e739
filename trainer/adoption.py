"""A stored state fitted to the use case as it is today."""

from collections import OrderedDict

from streaming.usecase import UseCase
from trainer.candidates import Candidate
from trainer.join import Join
from trainer.learner import State


def adopt(use_case: UseCase, state: State) -> list[str]:
    """Fit a stored state to today's use case; tells in sentences what is new and what was dropped."""
    said = []
    kind = type(use_case)
    if state.served is not None:
        state.served = state.served.adopt(kind, state.candidates)
    kept: dict[str, Candidate] = {}
    scores = {name: candidate.scores for name, candidate in state.candidates.items()}
    for name in kind.candidates:
        fresh = Candidate.new(kind, name)
        old = state.candidates.get(name)
        if old is None:
            said.append(f"candidate {name} is new: it starts fresh here")
        elif old.definition != fresh.definition:
            said.append(f"candidate {name} is defined differently now: it starts fresh here")
        elif old.scores.definition != fresh.scores.definition:
            said.append(f"the metrics have changed: those of candidate {name} start fresh here")
            old.scores = fresh.scores
            kept[name] = old
            continue
        kept[name] = old if old is not None and old.definition == fresh.definition else fresh
    said += [f"candidate {name} is dropped" for name in state.candidates if name not in kind.candidates]
    new_ones = {name for name, candidate in kept.items() if candidate is not state.candidates.get(name)}
    for question in state.join.open.values():
        for name in new_ones & question.predictions.keys():
            del question.predictions[name]  # another model said so
    state.choice.forget(new_ones | (state.candidates.keys() - kept.keys()))
    state.candidates = kept
    state.drifts = {n: d for n, d in (state.drifts or {}).items() if n in kept and kept[n].scores is scores.get(n)}
    new = Join.of(kind)
    state.join.horizon, state.join.remember, state.join.most = new.horizon, new.remember, new.most
    if not isinstance(state.profiles, OrderedDict):
        state.profiles = OrderedDict(state.profiles)  # of a checkpoint that knew no limit
    return said
