"""What the pages say of the tests is so."""

import re
from pathlib import Path

import pytest

import streaming

ROOT = Path(streaming.__file__).parents[1]
TESTS = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_the_tests_that_a_page_names_exist(page):
    """By name, or as a file."""
    named = set(re.findall(r"`(test_\w+)`", page.read_text()))
    assert {name for name in named if f"def {name}(" not in TESTS} == set()
    files = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", page.read_text()) if "test_" in name}
    assert {name for name in files if not list((ROOT / "tests").rglob(name))} == set()
