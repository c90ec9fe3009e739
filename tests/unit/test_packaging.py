"""What is installed is what was declared, and names no place to get it from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import streaming

ROOT = Path(streaming.__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = dict(re.findall(r"^([\w.-]+)==([\w.]+)", LOCK, re.MULTILINE))
DECLARED = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]


@pytest.mark.parametrize("declared", DECLARED)
def test_every_declared_package_is_locked_at_a_version_that_fits(declared):
    """`make lock` was run after the last change of pyproject.toml."""
    wanted = Requirement(declared)
    assert wanted.specifier.contains(Version(LOCKED[wanted.name]))


def test_every_locked_package_has_its_hashes():
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) >= len(LOCKED)
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_addresses():
    assert re.findall(r"https?://|--find-links|--index-url|--extra-index-url", LOCK) == []
