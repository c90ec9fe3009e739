"""A mistake in a use-case file is told in one sentence: file, line, what was wanted."""

import itertools
import json
import re

import pytest

from streaming.errors import HeadraceError
from streaming.settings import Settings
from usecases.registry import load_use_cases

_NUMBERS = itertools.count()
GOOD = '''\
"""Parcels."""

import datetime as dt

from river import compose, linear_model, metrics, preprocessing
from typing_extensions import TypedDict

from streaming.topics import Topic
from streaming.usecase import Example, UseCase, on


class Parcel(TypedDict):
    parcel: str
    time: dt.datetime
    km: float
    late: bool


class Request(TypedDict):
    km: float


class Sender:
    def view(self):
        return {}


PARCELS = Topic("shop.parcels", Parcel, key="parcel", time="time")


class LateParcel(UseCase):
    topics = [PARCELS]
    profile = Sender
    request = Request
    metric = metrics.ROCAUC
    reported = (metrics.F1,)
    candidates = {
        "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        "slow": linear_model.LogisticRegression,
    }

    @on(PARCELS)
    def learn(self, event, profile):
        yield Example(key=event["parcel"], x=self.features(event, {}), y=event["late"])

    def features(self, event, view):
        return {"km": event["km"]}
'''
MISTAKES = {
    "a handler of a topic that is not listed": (
        "topics = [PARCELS]",
        'topics = [Topic("shop.other", Parcel, key="parcel", time="time")]',
        "HERE+10: LateParcel.learn handles shop.parcels, which is not in .topics (shop.other)",
    ),
    "a topic that nothing handles": (
        "@on(PARCELS)",
        "",
        "HERE-10: LateParcel.topics lists shop.parcels, but no method is marked @on that topic",
    ),
    "a text instead of a topic": ("@on(PARCELS)", '@on("shop.parcels")', "HERE: @on takes a Topic, got 'shop.parcels'"),
    "no topic at all": ("@on(PARCELS)", "@on", "HERE: @on takes a Topic, got <function LateParcel.learn at 0x"),
    "a topic instead of topics": (
        "topics = [PARCELS]",
        "topics = PARCELS",
        "HERE: LateParcel.topics must be a list of Topic, got Topic(name='shop.parcels'",
    ),
    "a list under a wrong name": (
        "    topics = [PARCELS]",
        "    topic = [PARCELS]",
        "HERE-1: LateParcel.topics must be a list of Topic, got () (there is LateParcel.topic: is topics meant?)",
    ),
    "models under a wrong name": (
        "    candidates = {",
        "    candidate = {",
        "HERE-6: LateParcel.candidates must name functions that make River models, got {} (there is LateParcel",
    ),
    "models without names": (
        "    candidates = {",
        "    candidates, more = [linear_model.LogisticRegression], {",
        "LateParcel.candidates must name functions that make River models, got [<class",
    ),
    "a reported metric without a list": (
        "(metrics.F1,)",
        "metrics.F1",
        "HERE: LateParcel.reported must be a list of functions that make metrics, as `reported = (metrics.RMSE,)`, got",
    ),
    "metrics in the place of a method": (
        "    reported = (",
        "    metrics = (",
        "HERE: LateParcel.metrics must be a method, got (<class",
    ),
    "a window of text": (
        "    metric =",
        '    window = "20"\n    metric =',
        "HERE: LateParcel.window must be a whole number of at least 1, got '20'",
    ),
    "a topic's name that is no text": (
        'Topic("shop.parcels"',
        "Topic(7",
        "a topic's name must be letters, digits, dots and hyphens, got 7",
    ),
    "a topic's jump in days": (
        'time="time")',
        'time="time", max_jump=5)',
        "HERE: the topic shop.parcels wants a timedelta above 0 as its max_jump, got 5",
    ),
    "a topic with two keys": (
        'key="parcel"',
        'key=["parcel"]',
        "LateParcel cannot be checked: TypeError: unhashable type: 'list'",
    ),
    "a use case that wants arguments": (
        "    topics",
        "    def __init__(self, rate):\n        self.rate = rate\n\n    topics",
        "HERE: LateParcel cannot be made: TypeError: LateParcel.__init__() missing 1 required positional argument",
    ),
    "something else than topics": (
        "[PARCELS]",
        '["shop.parcels"]',
        "LateParcel.topics must be a list of Topic, got 'shop.parc",
    ),
    "no topics": ("[PARCELS]", "[]", "LateParcel.topics must be a list of Topic, got []"),
    "no event time": (
        'time="time")',
        'time="at")',
        "the topic shop.parcels has its event time in 'at', but Parcel has only parcel, time, km, late",
    ),
    "no key": ('key="parcel"', 'key="id"', "the topic shop.parcels has its key in 'id', but Parcel has only parcel"),
    "an event time of text": (
        'time="time")',
        'time="parcel")',
        "the topic shop.parcels wants a datetime, a date or seconds as its event time, but 'parcel' is str",
    ),
    "a topic's name for no broker": (
        '"shop.parcels"',
        '"shop/parcels"',
        "a topic's name must be letters, digits, dots and hyphens, got 'shop/parcels'",
    ),
    "a schema that is none": (
        'Topic("shop.parcels", Parcel',
        'Topic("shop.parcels", dict',
        "the topic shop.parcels wants a TypedDict as its schema, got <class 'dict'>",
    ),
    "a schema with a type of its own": (
        'Topic("shop.parcels", Parcel',
        'Topic("shop.parcels", TypedDict("Odd", {"parcel": str, "time": float, "km": Sender})',
        "the topic shop.parcels has a schema that cannot be checked: PydanticSchemaGenerationError: ",
    ),
    "a handler that takes too little": (
        "def learn(self, event, profile)",
        "def learn(self, event)",
        "HERE-1: LateParcel.learn must take (self, event, profile), got (self, event)",
    ),
    "a model instead of a function": (
        '"slow": linear_model.LogisticRegression',
        '"slow": linear_model.LogisticRegression()',
        "HERE: LateParcel.candidates['slow'] must be a function that makes a model, got a model: put lambda: before it",
    ),
    "a model of another library": (
        '"slow": linear_model.LogisticRegression',
        '"slow": lambda: {"not": "River"}',
        "HERE: LateParcel.candidates['slow'] must make a River model, got {'not': 'River'}",
    ),
    "a model that cannot be made": (
        '"slow": linear_model.LogisticRegression',
        '"slow": lambda: linear_model.LogisticRegression(speed=1)',
        "HERE: LateParcel.candidates['slow'] cannot be made: TypeError: ",
    ),
    "a model with a lambda inside": (
        '"slow": linear_model.LogisticRegression',
        '"slow": lambda: compose.FuncTransformer(lambda x: x) | linear_model.LogisticRegression()',
        "HERE: LateParcel.candidates['slow'] cannot be stored (",
    ),
    "a model with a class from elsewhere": (
        '"slow": linear_model.LogisticRegression',
        '"slow": lambda: compose.FuncTransformer(dt.datetime.fromtimestamp) | linear_model.LogisticRegression()',
        "HERE: LateParcel.candidates['slow'] cannot be stored: the pickle asks for datetime.datetime.fromtimestamp",
    ),
    "no candidates": (
        "    candidates = {",
        "    candidates, more = {}, {",
        "must name functions that make River models, got {}",
    ),
    "a metric instead of a function": (
        "metric = metrics.ROCAUC",
        "metric = metrics.ROCAUC()",
        "HERE: LateParcel.metric must be a function that makes a metric, got one: leave () off ROCAUC",
    ),
    "no metric": (
        "    metric = metrics.ROCAUC\n",
        "",
        "LateParcel.metric is missing: a function that makes a River metric",
    ),
    "a metric that is none": (
        "metric = metrics.ROCAUC",
        "metric = dict",
        "HERE: LateParcel.metric must make a River metric, got {}",
    ),
    "a metric that cannot measure": (
        "metric = metrics.ROCAUC",
        "metric = metrics.MAE",
        "HERE+3: LateParcel.candidates['logistic'] cannot be measured by MAE: it is LogisticRegression",
    ),
    "a reported metric that cannot be made": (
        "(metrics.F1,)",
        "(lambda: metrics.F1(beta=2),)",
        "HERE: LateParcel.reported cannot be made: TypeError: ",
    ),
    "a request that is no schema": (
        "request = Request",
        "request = dict",
        "HERE: LateParcel.request must be a TypedDict, got",
    ),
    "a request with a type of its own": (
        "class Request(TypedDict):\n    km: float",
        "class Request(TypedDict):\n    km: Topic | object()",
        "TypeError: unsupported operand",
    ),
    "a request that JSON cannot tell": (
        "class Request(TypedDict):\n    km: float",
        "class Request(TypedDict):\n    km: UseCase",
        "LateParcel.request cannot be checked: PydanticSchemaGenerationError: ",
    ),
    "a request without features": (
        "def features(self, event, view)",
        "def inputs(self, event, view)",
        "LateParcel.request wants a method features(self, event, view), which makes x of a request",
    ),
    "a profile without a view": (
        "def view(self)",
        "def look(self)",
        "LateParcel.profile must have a method view(), which Sender",
    ),
    "a profile that wants arguments": (
        "def view(self)",
        "def __init__(self, key)",
        "LateParcel.profile cannot be made: TypeError",
    ),
    "a horizon in days": (
        "    metric =",
        "    horizon = 30\n    metric =",
        "HERE: LateParcel.horizon must be a timedelta above 0, got 30",
    ),
    "an empty window": (
        "    metric =",
        "    window = 0\n    metric =",
        "HERE: LateParcel.window must be a whole number of at least 1",
    ),
    "a name for no address": (
        "    topics",
        '    name = "late parcel"\n    topics',
        "HERE: LateParcel.name must be letters, digits",
    ),
    "a name that is an address": (
        "    topics",
        '    name = "use-cases"\n    topics',
        "HERE: LateParcel.name must not be 'use-cases': /v1/use-cases is an address of the API's own",
    ),
    "a name that is taken": ("    topics", '    name = "churn"\n    topics', "the name 'churn' is taken by "),
    "a topic that others declare": (
        '"shop.parcels"',
        '"telecom.usage"',
        "HERE: late-parcel declares the topic telecom.usage differently than plan (",
    ),
    "broken syntax": ("class LateParcel(UseCase):", "class LateParcel(UseCase)", "HERE: expected ':'"),
    "a module that is not there": (
        "import datetime as dt",
        "import date_time as dt",
        "HERE: ModuleNotFoundError: No module named",
    ),
    "a file that ends the program": ("import datetime as dt", "raise SystemExit(3)", "HERE: SystemExit: 3"),
    "no use case at all": ("(UseCase)", "", "no class derived from streaming.usecase.UseCase is defined here"),
}


def load(folder, code):
    """Load a file of this content, under a name that no other test has loaded."""
    file = folder / f"mistaken{next(_NUMBERS)}.py"
    file.write_text(code)
    return file, lambda: load_use_cases(Settings(use_cases=str(file)))


def test_the_file_without_a_mistake_is_loaded(tmp_path):
    _, loaded = load(tmp_path, GOOD)
    assert "late-parcel" in loaded()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_file_and_line(tmp_path, mistake):
    right, wrong, sentence = MISTAKES[mistake]
    assert right in GOOD
    file, loaded = load(tmp_path, GOOD.replace(right, wrong, 1))
    with pytest.raises(HeadraceError) as refused:
        loaded()
    said = str(refused.value)
    here = GOOD[: GOOD.index(right)].count("\n") + 1
    assert re.sub(r"HERE([+-]\d+)?", lambda at: f"{file}:{here + int(at[1] or 0)}", sentence) in said
    assert str(file) in said
    assert "\n" not in said


def test_the_same_model_twice_is_refused(tmp_path):
    code = GOOD.replace("class Request(", "ONE = linear_model.LogisticRegression()\n\n\nclass Request(")
    _, loaded = load(tmp_path, code.replace('"slow": linear_model.LogisticRegression', '"slow": lambda: ONE'))
    with pytest.raises(HeadraceError, match="must make a new model each time, got the same one twice"):
        loaded()


def test_two_files_that_declare_a_topic_differently_are_both_named(tmp_path):
    first, _ = load(tmp_path, GOOD)
    second, _ = load(tmp_path, GOOD.replace("km: float\n    late", "km: int\n    late").replace("LateParcel", "Other"))
    line = 1 + GOOD[: GOOD.index("PARCELS = ")].count("\n")
    with pytest.raises(HeadraceError) as refused:
        load_use_cases(Settings(use_cases=f"{first},{second}"))
    assert f"{second}:{line}: other declares the topic shop.parcels differently than late-parcel" in str(refused.value)
    assert f"({first}:{line})" in str(refused.value)


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(HeadraceError, match=r"there is no module parcels.late \(a path to a file ends in .py\)"):
        load_use_cases(Settings(use_cases="parcels.late"))


def test_a_file_that_is_named_twice_is_loaded_once(tmp_path, monkeypatch):
    """Also by two ways to write its path; a module of the project is there anyway."""
    file, _ = load(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert "late-parcel" in load_use_cases(Settings(use_cases=f"{file},{file.name},./{file.name},usecases.shop.fraud"))


def test_a_file_with_a_dot_in_its_name_is_refused(tmp_path):
    """Its profiles would be looked for in a package."""
    file = tmp_path / "b.c.py"
    file.write_text(GOOD)
    with pytest.raises(HeadraceError, match=r"b\.c\.py: the file's name must have no dot before \.py: rename it$"):
        load_use_cases(Settings(use_cases=str(file)))


def test_features_that_fail_on_an_event_are_told_with_their_line(tmp_path, cli):
    """`evaluate` prints the dead letter, with the line of the file and not that of the library in which it ended."""
    code = GOOD.replace('{"km": event["km"]}', '{"km": dt.datetime.strptime(event["parcel"], "%Y").year}')
    (cli.folder / "parcels.py").write_text(code)
    event = {"parcel": "soon", "time": "2026-01-01T00:00:00Z", "km": 1.0, "late": False}
    (cli.folder / "parcels.ndjson").write_text(json.dumps(event) + "\n")
    done = cli("evaluate", "late-parcel", "--file", "parcels.ndjson", HEADRACE_USE_CASES="parcels.py")
    line = 1 + code[: code.index("strptime")].count("\n")
    assert (
        f"dead letter: shop.parcels[0]@0: ValueError: time data 'soon' does not match format '%Y' (parcels.py:{line})"
        in (done.stderr)
    )
    assert json.loads(done.stdout.splitlines()[-1])["dead"] == 1
