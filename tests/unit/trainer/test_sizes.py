"""Candidates are weighed beside a checkpoint, in its child."""

import pickle

from streaming.checkpoints import Checkpoints
from streaming.merge import Place
from streaming.store import Store
from tests.support import wait_for
from trainer.saver import Saver


def stored(saver: Saver) -> bool:
    saver.look()
    return not saver.busy


def test_the_first_checkpoint_weighs_its_candidates_and_the_next_within_a_minute_does_not(tmp_path):
    """The sizes stay those that were measured; the state that is stored is the same."""
    checkpoints = Checkpoints(Store(tmp_path.as_uri()), "churn", "0", b"k")
    checkpoints.claim(lambda stored: stored)
    saver = Saver(checkpoints, every_s=0, deadline_s=60, before_put=lambda: None)
    assert saver.sizes == {}
    light, heavy = list(range(10)), list(range(10_000))
    expected = {"light": len(pickle.dumps(light, 5)), "heavy": len(pickle.dumps(heavy, 5))}
    for number in (1, 2):
        saver.start(lambda: b"the state", {Place("rows", 0): number}, number, {"light": light, "heavy": heavy})
        wait_for(lambda: stored(saver), what="the checkpoint")
        assert saver.sizes == expected
        heavy.append(1)
    saver.close()
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.content == b"the state"
    assert newest.header["offsets"] == {"rows": {"0": 2}}
