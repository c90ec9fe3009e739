"""What is offered in place of a stored state: refused before it is unpickled, a checkpoint like any model."""

import io
import os
import pickle
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

import numpy as np
import orjson
import pytest
from river import linear_model, stats, utils

from serving.loader import Refused, read_model
from serving.records import Wanted
from streaming import sealed, unpickle
from streaming.checkpoints import Checkpoints
from streaming.errors import Damaged, Fenced, HeadraceError
from streaming.pins import pin_object, put_pinned
from streaming.snapshots import open_model, seal_model
from streaming.store import Store
from tests.api import pointer
from trainer import stored
from trainer.learner import State
from usecases.telecom.plan import Plan

KEY = b"k" * 32
SNAPSHOT = pointer("plan", epoch=3, n=8)


class Place(Protocol):
    """Where a state is kept: what belongs there, and what becomes of something else."""

    good: bytes

    def load(self, data: bytes) -> Any:
        """Read `data` as if it had been found there."""


class Checkpoint:
    """The only checkpoint of plan."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder.as_uri())
        writer = Checkpoints(self._store, "plan", "0", KEY)
        writer.claim(lambda found: found)
        content = stored.dump(State.new(Plan()), None, {}, {}, None)
        self.good = writer.sealer({})(content)
        writer.put(self.good)
        self._file = folder / "checkpoints/plan/0/000000000002.ckpt"

    def load(self, data: bytes) -> Any:
        self._file.write_bytes(data)
        return Checkpoints(self._store, "plan", "0", KEY).claim(partial(stored.load, Plan())).state


class Snapshot:
    """The snapshot that a pointer names."""

    object: str = SNAPSHOT.object
    snapshot: str | None = None

    def __init__(self, folder: Path) -> None:
        self._file, self._store = folder / self.object, Store(folder.as_uri())
        self._file.parent.mkdir(parents=True)
        self.good = seal_model(SNAPSHOT, linear_model.LogisticRegression(), KEY)

    def load(self, data: bytes) -> Any:
        self._file.write_bytes(data)
        return read_model(self._store, KEY, Plan(), Wanted("0", self.object, None, None, self.snapshot))


class Pinned(Snapshot):
    """The snapshot that a pin means."""

    object = pin_object("plan", 7)
    snapshot = SNAPSHOT.snapshot


class Packed:
    """What MLflow's pyfunc loads."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow warns of its own type hints when it is imported
            from trainer.pyfunc_model import SnapshotModel

        self._file, self._model = folder / "snapshot.model", SnapshotModel()
        self.good = seal_model(SNAPSHOT, linear_model.LogisticRegression(), KEY)

    def load(self, data: bytes) -> Any:
        self._file.write_bytes(data)
        context = SimpleNamespace(artifacts={"snapshot": str(self._file)}, model_config={"use_case": "plan"})
        self._model.load_context(cast("Any", context))
        return self._model


@pytest.fixture(params=[Checkpoint, Snapshot, Pinned, Packed])
def place(request, tmp_path, monkeypatch) -> Place:
    monkeypatch.setenv("HEADRACE_SIGNING_KEY", KEY.decode())
    monkeypatch.chdir(tmp_path)
    made: Place = request.param(tmp_path)
    return made


def parts(data: bytes) -> tuple[bytes, dict[str, Any], bytes, bytes]:
    """Magic, header, signature, body."""
    magic, head, signature, body = data.split(b"\n", 3)
    return magic, orjson.loads(head), signature, body


def joined(magic: bytes, header: dict[str, Any], signature: bytes, body: bytes) -> bytes:
    return b"\n".join((magic, orjson.dumps(header), signature, body))


def unsigned(data: bytes) -> bytes:
    magic, header, _, body = parts(data)
    return b"\n".join((magic, orjson.dumps(header), body))


def header_changed(data: bytes) -> bytes:
    magic, header, signature, body = parts(data)
    return joined(magic, header | {"learner": "me", "learned": 10**6}, signature, body)


def body_changed(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def body_of_another(data: bytes) -> bytes:
    """The header is right and the body was signed by us as well: for another object."""
    magic, header, signature, _ = parts(data)
    return joined(magic, header, signature, parts(seal_model(SNAPSHOT, {"another": 1}, KEY))[3])


def described_anew(data: bytes) -> bytes:
    """Header and body fit each other, the signature neither."""
    magic, _, signature, _ = parts(data)
    _, header, _, body = parts(resealed(data, b"other", pickle.dumps(1)))
    return joined(magic, header, signature, body)


def resealed(data: bytes, key: bytes = KEY, content: bytes | None = None, **header: Any) -> bytes:
    """Signed again, with another content or header."""
    old, body = sealed.unseal(data, KEY)
    return sealed.seal(old | header, body if content is None else content, key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unsigned, "signature is wrong|cut short"),
        (lambda data: joined(*parts(data)[:2], b"", parts(data)[3]), "signature is wrong"),
        (lambda data: joined(*parts(data)[:2], b"0" * 64, parts(data)[3]), "signature is wrong"),
        (partial(resealed, key=b"another key"), "signature is wrong .*HEADRACE_SIGNING_KEY"),
        (header_changed, "signature is wrong"),
        (described_anew, "signature is wrong"),
        (body_changed, "checksum"),
        (body_of_another, "checksum"),
        (lambda data: data[: len(data) // 2], "cut short|checksum|signature is wrong"),
        (lambda _: pickle.dumps(1), "not one of ours"),
        (partial(resealed, use_case="churn", kind="model"), "of churn, not of plan|belongs to another place"),
        (partial(resealed, kind="claim", use_case="churn"), "a claim, not a model|belongs to another place"),
    ],
)
def test_what_was_changed_or_is_of_another_place_is_refused_before_it_is_unpickled(place, change, said, monkeypatch):
    assert place.load(place.good) is not None
    monkeypatch.setattr(unpickle, "loads", lambda *_: pytest.fail("it was unpickled"))
    with pytest.raises(HeadraceError, match=said):
        place.load(change(place.good))


class Calls:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


class Method:
    """A pickle that calls a bound method."""

    def __init__(self, owner: Any, name: str) -> None:
        self._reduced = getattr, (owner, name)

    def __reduce__(self) -> Any:
        return self._reduced


def by_name(module: str, name: str) -> bytes:
    """A pickle that calls what is found under a name, dots and all."""
    out = io.BytesIO()
    out.write(b"\x80\x04")
    for word in (module, name):
        out.write(pickle.SHORT_BINUNICODE + bytes([len(word)]) + word.encode())
    out.write(pickle.STACK_GLOBAL + b")R.")
    return out.getvalue()


def called_method(owner: Any, name: str, argument: str) -> bytes:
    """`owner.name(argument)`."""
    head = pickle.dumps(Method(owner, name), 4).rstrip(b".")
    return head + pickle.dumps((argument,), 4)[2:].rstrip(b".") + b"R."


def evil(proof: Path) -> dict[str, bytes]:
    """Pickles that would leave a file, or reach outside."""
    wrapped: Any = utils.Rolling(stats.Mean, window_size=1)
    wrapped.obj = np.frombuffer(b"evil", dtype="u1")  # it passes on what it does not know itself
    return {
        "posix.system": pickle.dumps(Calls(os.system, f"touch {proof}")),
        "subprocess.Popen": pickle.dumps(Calls(subprocess.Popen, ["touch", str(proof)])),
        "builtins.exec": pickle.dumps(Calls(exec, f"import os; os.mkdir({str(proof)!r})")),
        "builtins.open": by_name("builtins", "open"),
        "river.datasets.base.os.getpid": by_name("river.datasets.base", "os.getpid"),
        "river.base.typing.os": by_name("river.base", "typing.os"),
        "river.datasets.base.RemoteDataset": by_name("river.datasets.base", "RemoteDataset"),
        "river.bandit.datasets.news.NewsArticles": by_name("river.bandit.datasets.news", "NewsArticles"),
        "river.utils.pretty.print_table": by_name("river.utils.pretty", "print_table"),
        "streaming.store.Store": by_name("streaming.store", "Store"),
        "numpy.ndarray.tofile": called_method(np.frombuffer(b"evil", dtype="u1"), "tofile", str(proof)),
        "river.utils.rolling.Rolling.tofile": called_method(wrapped, "tofile", str(proof)),
    }


@pytest.mark.parametrize("name", evil(Path("proof")))
def test_a_pickle_that_would_run_something_is_refused_though_its_signature_is_right(place, name, tmp_path):
    """Whoever has the key can still not make us do more than hold models and state."""
    proof = tmp_path / "proof"
    with pytest.raises(HeadraceError, match=f"asks for {name}, which is not on the allow-list"):
        place.load(resealed(place.good, content=evil(proof)[name]))
    assert not proof.exists()


def test_these_pickles_would_have_worked(tmp_path):
    """Python's own reader runs them: what is refused above is no harmless noise."""
    for name in ("posix.system", "builtins.exec", "numpy.ndarray.tofile", "river.utils.rolling.Rolling.tofile"):
        proof = tmp_path / name
        pickle.loads(evil(proof)[name])
        assert proof.exists(), name


def test_an_older_checkpoint_under_a_newer_number_is_passed_over(tmp_path):
    """The state before it is used, with a warning, and counted; it was not rolled back."""
    store = Store(tmp_path.as_uri())
    first = Checkpoints(store, "plan", "0", KEY)
    first.claim(lambda found: found)
    for text in (b"one", b"two"):
        first.put(first.sealer({})(text))
    row = tmp_path / "checkpoints/plan/0"
    (row / "000000000009.ckpt").write_bytes((row / "000000000002.ckpt").read_bytes())
    again = Checkpoints(store, "plan", "0", KEY)
    claim = again.claim(lambda found: found.content)
    assert claim.state == b"two"
    assert again.refused == 1
    assert "000000000009.ckpt is passed over: it belongs to another place" in claim.warnings[0]


def test_an_older_checkpoint_under_the_next_number_is_not_taken_for_the_next_one(tmp_path):
    """Its writer would believe that its newest state is stored."""
    writer = Checkpoints(Store(tmp_path.as_uri()), "plan", "0", KEY)
    writer.claim(lambda found: found)
    writer.put(writer.sealer({})(b"one"))
    row = tmp_path / "checkpoints/plan/0"
    (row / f"{writer.next_number:012d}.ckpt").write_bytes((row / "000000000002.ckpt").read_bytes())
    with pytest.raises(Fenced):
        writer.put(writer.sealer({})(b"two"))


def test_a_checkpoint_of_another_shard_is_passed_over(tmp_path):
    store = Store(tmp_path.as_uri())
    first = Checkpoints(store, "plan", "1", KEY)
    first.claim(lambda found: found)
    first.put(first.sealer({})(b"one"))
    (tmp_path / "checkpoints/plan/0").mkdir()
    for file in (tmp_path / "checkpoints/plan/1").iterdir():
        (tmp_path / "checkpoints/plan/0" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(HeadraceError, match="belongs to another place"):
        Checkpoints(store, "plan", "0", KEY).claim(lambda found: found)


@pytest.mark.parametrize("other", [{"n": 7}, {"epoch": 2, "n": 9}, {"shard": "1"}])
def test_an_older_snapshot_or_one_of_another_shard_under_this_name_is_refused(tmp_path, other, monkeypatch):
    """Signed by us, of this use case, and not the one that the pointer names."""
    monkeypatch.setattr(unpickle, "loads", lambda *_: pytest.fail("it was unpickled"))
    old = replace(SNAPSHOT, **other)
    with pytest.raises(Refused, match=f"it is {old.object}, offered again under another name") as refused:
        Snapshot(tmp_path).load(seal_model(old, 1, KEY))
    assert refused.value.reason == "damaged"


def test_another_snapshot_in_the_place_of_the_pinned_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpickle, "loads", lambda *_: pytest.fail("it was unpickled"))
    with pytest.raises(Refused, match="it is the snapshot 3-7, not 3-8"):
        Pinned(tmp_path).load(seal_model(replace(SNAPSHOT, n=7), 1, KEY))


def test_a_version_is_pinned_only_with_the_snapshot_that_it_was_registered_with(tmp_path):
    store, data = Store(tmp_path.as_uri()), seal_model(SNAPSHOT, 1, KEY)
    with pytest.raises(HeadraceError, match=r"version 7 of plan cannot be served: it holds the snapshot 3-8 of plan"):
        put_pinned(store, "plan", 7, data, KEY, snapshot="3-9")
    with pytest.raises(HeadraceError, match="of churn cannot be served: it holds the snapshot 3-8 of plan"):
        put_pinned(store, "churn", 7, data, KEY)
    assert store.names("pins") == []
    assert put_pinned(store, "plan", 7, data, KEY, snapshot="3-8") == "3-8"


def test_a_model_is_no_checkpoint_and_a_checkpoint_no_model(tmp_path):
    checkpoint, snapshot = Checkpoint(tmp_path / "a"), Snapshot(tmp_path / "b")
    with pytest.raises(HeadraceError, match="belongs to another place"):
        checkpoint.load(snapshot.good)
    with pytest.raises(Damaged, match="it is a checkpoint, not a model"):
        open_model(checkpoint.good, KEY, [], use_case="plan")
