"""Equal runs: River walks sets of strings here and there, whose order the hash seed decides."""

import os
import sys


def begin_with_one() -> None:
    """Begin anew with one hash seed, as `headrace evaluate` does, so that every run prints the same."""
    if "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # this very program again
