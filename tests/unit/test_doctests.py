"""Every example in a docstring holds."""

import doctest
import importlib
from pathlib import Path

import pytest

import streaming

_ROOT = Path(streaming.__file__).parents[1]
_MODULES = sorted(
    ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    for package in ("dashboards", "headrace", "producers", "trainer", "serving", "streaming", "usecases")
    for path in (_ROOT / package).rglob("*.py")
    if ">>>" in path.read_text()
)


@pytest.mark.parametrize("name", _MODULES)
def test_examples(name):
    """The module's examples give what they say."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
