"""Servers and tools that Debian's packages bring: Prometheus, its exporters, PostgreSQL."""

import os
import shutil

import pytest

FETCHED = "DEBIAN_FETCHED"
"""Set where `.ci/debian` has fetched them all."""


def program(*names: str) -> str:
    """The first of these that is installed; the test is skipped where none is, and fails where they were fetched."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        say = pytest.fail if FETCHED in os.environ else pytest.skip
        say(
            f"there is no {names[0]} on the PATH: `.ci/debian FOLDER` brings it into FOLDER/bin, from Debian's packages"
        )
    return found
