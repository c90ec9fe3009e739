"""Files that are made of Python are as they are made."""

import pytest

from dashboards.__main__ import ROOT, made
from streaming.metrics import INSTRUMENTS

BOUNDED = {
    "use_case", "shard", "topic", "reason", "candidate", "metric", "window", "route", "method", "status", "source",
    "result", "version", "pinned", "client", "service", "python", "river", "experiment", "run",
}  # fmt: skip


@pytest.mark.parametrize("path", made(), ids=lambda path: path.name)
def test_what_is_made_is_in_the_repository(path):
    """`python -m dashboards` writes it again."""
    assert path.read_text() == made()[path], f"{path.relative_to(ROOT)} is old: run `python -m dashboards`"


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=lambda instrument: instrument.name)
def test_an_instrument_is_declared_whole(instrument):
    """Prefix, ending by its kind, sentences, and no label whose values have no end."""
    assert instrument.name.startswith("headrace_")
    assert instrument.name.endswith("_total") == (instrument.kind == "counter")
    assert set(instrument.labels) <= BOUNDED
    assert instrument.meaning.endswith(".")
    assert instrument.act.endswith(".")
