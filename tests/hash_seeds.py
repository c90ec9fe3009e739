"""One program in two processes that walk their sets of strings in another order."""

import os
import subprocess
import sys


def said_with_each_of_two(program: str, *arguments: str) -> set[str]:
    """What Python code prints under one hash seed and under another: one text where the order does not matter."""
    return {
        subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
