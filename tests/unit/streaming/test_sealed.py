"""The signed format and the allow-list: what is not ours is refused before it is unpickled."""

import contextlib
import datetime as dt
import importlib
import inspect
import os
import pickle
from itertools import islice

import numpy as np
import orjson
import pytest
from pydantic import TypeAdapter
from river import base, compose, forest, linear_model, naive_bayes, preprocessing

from streaming import sealed, unpickle
from streaming.errors import Damaged

KEY = b"k" * 32


def test_what_was_sealed_comes_back():
    header, content = sealed.unseal(sealed.seal({"kind": "x"}, b"abc" * 1000, KEY), KEY)
    assert content == b"abc" * 1000
    assert header["kind"] == "x"
    assert header["library"] == "river"


def test_every_flipped_bit_and_every_cut_is_noticed():
    good = sealed.seal({"kind": "x"}, os.urandom(200), KEY)
    for position in range(len(good)):
        changed = bytearray(good)
        changed[position] ^= 1
        with pytest.raises(Damaged):
            sealed.unseal(bytes(changed), KEY)
        with pytest.raises(Damaged):
            sealed.unseal(good[:position], KEY)


def test_another_key_is_refused():
    with pytest.raises(Damaged, match="HEADRACE_SIGNING_KEY"):
        sealed.unseal(sealed.seal({}, b"", KEY), b"other")


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self):
        return os.system, ("touch /tmp/headrace-evil",)


def test_a_pickle_that_calls_a_function_is_refused():
    with pytest.raises(Damaged, match=r"posix\.system"):
        unpickle.loads(pickle.dumps(Evil()), unpickle.allowed_names())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("river.datasets.base", "os.getpid"),
        ("river.base", "typing.os"),
        ("builtins", "eval"),
        ("builtins", "__import__"),
        ("river.base.base", "Base._clone"),
    ],
)
def test_names_off_the_list_are_refused_dots_or_not(module, name):
    stolen = b"\x80\x04" + pickle.SHORT_BINUNICODE + bytes([len(module)]) + module.encode()
    stolen += pickle.SHORT_BINUNICODE + bytes([len(name)]) + name.encode() + pickle.STACK_GLOBAL + b")R."
    with pytest.raises(Damaged, match="allow-list"):
        unpickle.loads(stolen, unpickle.allowed_names())


def test_getattr_reaches_only_plain_methods_of_allowed_classes():
    array = np.zeros(1)
    for owner, name in (
        (os, "system"),
        ("text", "format"),
        (linear_model.LinearRegression(), "__class__"),
        (array, "tofile"),
        (np.ndarray, "dump"),
    ):
        with pytest.raises(Damaged):
            unpickle._Unpickler(b"", unpickle.allowed_names())._method(owner, name)


@pytest.mark.parametrize(
    "model",
    [
        preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        forest.ARFClassifier(3, seed=1),
        naive_bayes.GaussianNB(),
        compose.Select("a") | preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        forest.AMFClassifier(3, seed=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_come_back_and_predict_the_same(model):
    for i in range(300):
        model.learn_one({"a": i % 7, "b": float(i % 3)}, i % 2 == 0)
    again = unpickle.loads(pickle.dumps(model, 5), unpickle.allowed_names())
    for i in range(20):
        x = {"a": i % 5, "b": float(i % 4)}
        assert again.predict_proba_one(x) == model.predict_proba_one(x)


def test_every_estimator_of_river_comes_back_untaught_and_taught():
    """A trainer must not find out at its restart that a model cannot be read back."""
    allowed, count = unpickle.allowed_names(), 0
    for module, name in unpickle.river_classes():
        cls = getattr(importlib.import_module(module), name)
        if not issubclass(cls, base.Estimator) or inspect.isabstract(cls):
            continue
        for parameters in islice(cls._unit_test_params(), 3):
            try:
                model = cls(**parameters)
            except (TypeError, RuntimeError):
                continue  # a base class that names no parameters of its own, or a model that wants a newer Python
            for second in range(2):
                try:
                    content = pickle.dumps(model, 5)
                except (AttributeError, TypeError, pickle.PicklingError):
                    break  # no pickle at all: a lambda in the example, or a library's handle
                unpickle.loads(content, allowed)
                count += second
                with contextlib.suppress(Exception):  # whatever it learns from, it is not always this
                    _teach(model)
    assert count > 100


def _teach(model) -> None:
    for i in range(10):
        x = {"a": i % 7 * 1.0, "b": float(i % 3)}
        if model._supervised:
            model.learn_one(x, i % 2 == 0)
        else:
            model.learn_one(x)


def test_the_list_of_river_classes_is_that_of_the_installed_river():
    listed = [tuple(line.split(" ")) for line in unpickle._LIST.read_text().splitlines()]
    assert listed == unpickle.river_classes()


def test_the_header_is_plain_json():
    head = sealed.seal({"kind": "claim"}, b"", KEY).split(b"\n")[1]
    assert orjson.loads(head)["kind"] == "claim"


def test_a_moment_of_an_event_comes_back_from_a_profile():
    for text in (b'"2026-01-01T00:00:00Z"', b'"2026-01-01T00:00:00+02:00"'):
        moment = TypeAdapter(dt.datetime).validate_json(text)
        assert unpickle.loads(pickle.dumps(moment, 5), unpickle.allowed_names()) == moment
