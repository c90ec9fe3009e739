"""Claims and checkpoints: who may write, and what is read back."""

from pathlib import Path

import pytest

from streaming.checkpoints import Checkpoints
from streaming.errors import Fenced, HeadraceError, Unavailable
from streaming.store import Store

KEY = b"k"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path.as_uri())


def writer(store: Store) -> Checkpoints:
    return Checkpoints(store, "churn", "0", KEY)


def content(stored):
    return stored.content


def put(checkpoints: Checkpoints, text: bytes) -> None:
    checkpoints.put(checkpoints.sealer({})(text))


def test_a_new_trainer_goes_on_from_the_newest_checkpoint(store):
    first = writer(store)
    assert first.claim(content).state is None
    put(first, b"one")
    put(first, b"two")
    second = writer(store).claim(content)
    assert second.state == b"two"
    assert second.epoch == 4


def test_the_learner_keeps_its_id_until_fresh(store):
    first = writer(store)
    born = first.claim(content).learner
    put(first, b"one")
    assert writer(store).claim(content).learner == born
    fresh = writer(store).claim(content, fresh=True)
    assert fresh.learner != born
    assert fresh.state is None
    assert writer(store).claim(content).learner == fresh.learner


def test_after_a_claim_alone_it_starts_from_the_state_that_the_claim_names(store):
    first = writer(store)
    first.claim(content)
    put(first, b"one")
    writer(store).claim(content)
    assert writer(store).claim(content).state == b"one"


def test_after_a_fresh_claim_alone_it_starts_from_nothing(store):
    first = writer(store)
    first.claim(content)
    put(first, b"one")
    writer(store).claim(content, fresh=True)
    assert writer(store).claim(content).state is None


def test_who_was_claimed_over_is_fenced_at_its_next_checkpoint(store):
    first, second = writer(store), writer(store)
    first.claim(content)
    put(first, b"one")
    second.claim(content)
    with pytest.raises(Fenced, match="another trainer of churn"):
        put(first, b"two")
    put(second, b"theirs")
    assert writer(store).claim(content).state == b"theirs"


def test_a_sleeper_is_fenced_however_many_checkpoints_were_pruned_meanwhile(store):
    first, second = writer(store), writer(store)
    first.claim(content)
    put(first, b"one")
    second.claim(content)
    for i in range(20):
        put(second, str(i).encode())
    with pytest.raises(Fenced):
        put(first, b"two")
    with pytest.raises(Fenced):
        first.check_owner()


def test_three_checkpoints_are_kept_and_every_claim(store):
    for _ in range(3):
        trainer = writer(store)
        trainer.claim(content)
        for i in range(5):
            put(trainer, str(i).encode())
    names = store.names("checkpoints/churn/0")
    assert len(names) == 3 + 3


def test_a_put_that_landed_though_its_answer_was_lost_counts(store):
    first = writer(store)
    first.claim(content)
    object_bytes = first.sealer({})(b"one")
    number = first.next_number
    store.put_new(first._object(number), object_bytes)
    first.put(object_bytes)
    put(first, b"two")
    assert writer(store).claim(content).state == b"two"


class Forgetful(Store):
    """A store whose listing fails when told to."""

    away = False

    def names(self, prefix: str) -> list[str]:
        if self.away:
            raise Unavailable("it cannot be listed")
        return super().names(prefix)


def test_what_was_put_before_the_store_went_away_is_not_put_again_under_the_next_number(tmp_path):
    """The put landed, the look for other claims failed: the next try has only that left to do."""
    store = Forgetful(tmp_path.as_uri())
    first = writer(store)
    first.claim(content)
    object_bytes = first.sealer({})(b"one")
    store.away = True
    with pytest.raises(Unavailable):
        first.put(object_bytes)
    store.away = False
    first.put(object_bytes)
    assert store.names("checkpoints/churn/0") == ["000000000001.ckpt", "000000000002.ckpt"]
    assert first.next_number == 3


def spoil(store: Store, number: int, how) -> None:
    path = Path(store.url.removeprefix("file://")) / f"checkpoints/churn/0/{number:012d}.ckpt"
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize("how", [lambda b: b[:-3], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b""])
def test_a_spoiled_checkpoint_is_passed_over_with_a_warning(store, how):
    first = writer(store)
    first.claim(content)
    put(first, b"one" * 50)
    put(first, b"two" * 50)
    spoil(store, 3, how)
    claim = writer(store).claim(content)
    assert claim.state == b"one" * 50
    assert "000000000003.ckpt is passed over" in claim.warnings[0]


def test_when_every_checkpoint_is_spoiled_it_does_not_begin_from_nothing_in_silence(store):
    """Though the first claim says that there was nothing before it."""
    first = writer(store)
    first.claim(content)
    put(first, b"one")
    put(first, b"two")
    spoil(store, 2, lambda b: b[:-1])
    spoil(store, 3, lambda b: b[:-1])
    with pytest.raises(HeadraceError, match=r"no state .* can be read.*headrace replay.*--fresh"):
        writer(store).claim(content)


def test_with_another_key_nothing_can_be_read_and_the_ways_out_are_named(store):
    first = writer(store)
    first.claim(content)
    put(first, b"one")
    other = Checkpoints(store, "churn", "0", b"other")
    with pytest.raises(HeadraceError, match=r"signature.*headrace replay.*--fresh"):
        other.claim(content)
    assert len(store.names("checkpoints/churn/0")) == 2


def test_a_checkpoint_of_another_place_is_refused(store):
    first = writer(store)
    first.claim(content)
    put(first, b"one")
    other = Checkpoints(store, "plan", "0", KEY)
    root = Path(store.url.removeprefix("file://"))
    (root / "checkpoints/plan/0").mkdir(parents=True)
    (root / "checkpoints/plan/0/000000000002.ckpt").write_bytes(
        (root / "checkpoints/churn/0/000000000002.ckpt").read_bytes()
    )
    with pytest.raises(HeadraceError, match="belongs to another place"):
        other.claim(content)


def test_a_state_that_cannot_be_used_stops_before_a_claim_is_written(store):
    first = writer(store)
    first.claim(content)
    put(first, b"one")

    def refuse(stored):
        raise HeadraceError("another River")

    with pytest.raises(HeadraceError, match="another River"):
        writer(store).claim(refuse)
    put(first, b"two")


def test_a_store_that_cannot_be_written_says_which_object(tmp_path):
    (tmp_path / "checkpoints").write_text("a file where a folder should be")
    with pytest.raises((Unavailable, HeadraceError), match="checkpoints/churn"):
        writer(Store(tmp_path.as_uri())).claim(content)


@pytest.mark.parametrize("url", ["ftp://x", "somewhere", ""])
def test_a_wrong_store_address_is_one_sentence(url):
    with pytest.raises(HeadraceError, match="HEADRACE_STORE must be"):
        Store(url)


def test_a_checkpoint_that_another_thread_has_just_put_does_not_fence_its_writer(store):
    first = writer(store)
    first.claim(content)
    store.put_new(f"{first.prefix}/{first.next_number:012d}.ckpt", first.sealer({})(b"one"))
    first.check_owner()
    assert writer(store).claim(content).state == b"one"
