"""The simulators by name."""

import inspect
from itertools import islice

import pytest

from producers.sources import SOURCES, source_for, source_named
from streaming.errors import WrongUsage
from tests.hash_seeds import said_with_each_of_two

_DIGEST = """
import hashlib, sys
from itertools import islice
from producers.sources import source_named
from streaming.codec import Codec

source = source_named(sys.argv[1])
codecs, told = {topic: Codec(topic) for topic in source.topics}, hashlib.sha256()
for topic, event in islice(source.events(seed=9, drift_day=1), 4_000):
    told.update(topic.name.encode() + codecs[topic].encode(event))
print(told.hexdigest())
"""


def test_unknown_source():
    """An unknown name is wrong usage that lists the known ones."""
    with pytest.raises(WrongUsage, match="unknown source 'telekom'; there are telecom"):
        source_named("telekom")


def test_source_for_topics():
    """The simulator of a use case is the one that feeds all its topics."""
    assert source_for({"telecom.usage", "telecom.churn"}) is source_for({"telecom.usage"}) is SOURCES["telecom"]
    assert source_for({"telecom.usage", "bank.accounts"}) is None


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_options_exist(source):
    """Each simulator takes a seed and the options that it names, and needs none of them."""
    parameters = inspect.signature(source.events).parameters
    assert set(parameters) == {"seed", *source.options}
    assert all(parameter.default is not inspect.Parameter.empty for parameter in parameters.values())


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_feeds_its_topics(source):
    """Its events are of the topics that it names."""
    events = source.events(seed=1)
    assert {next(events)[0] for _ in range(2_000)} == set(source.topics)


@pytest.mark.parametrize("source", SOURCES)
def test_same_seed_same_bytes(source):
    """The same seed gives the same bytes in every process."""
    assert len(said_with_each_of_two(_DIGEST, source)) == 1


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_another_seed_is_another_world(source):
    """Seeds differ in what happens."""
    one, other = (list(islice(source.events(seed=seed), 500)) for seed in (1, 2))
    assert one != other
