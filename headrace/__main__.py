"""The entry point `headrace`: every failure is one sentence and an exit code."""

import os
import sys

from streaming import failpoints
from streaming.errors import HeadraceError, WrongUsage

_LEARNING = ("train", "evaluate", "replay")


def main() -> None:
    """Run a command; exit 0 done, 1 failed, 2 wrong usage."""
    _fix_hash_seed()
    from headrace.cli import app

    try:
        failpoints.arm(os.environ.get(failpoints.SETTING, ""))
        app()
    except WrongUsage as error:
        sys.exit(_say(error, 2))
    except HeadraceError as error:
        sys.exit(_say(error, 1))


def _fix_hash_seed() -> None:
    """Start anew with one hash seed for all: some of River's models walk sets of strings, in the order of the hashes.

    Without it the same events would give other numbers in every process, and a restart would be visible in them.
    """
    if sys.argv[1:2] and sys.argv[1] in _LEARNING and "PYTHONHASHSEED" not in os.environ:
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # this very program again


def _say(error: HeadraceError, code: int) -> int:
    """One sentence on stderr; where log lines are JSON, as one of them."""
    import structlog

    from streaming import logs

    if logs.are_json():
        structlog.get_logger().error("ends", reason=str(error), exit_code=code)
    else:
        sys.stderr.write(f"headrace: {error}\n")
    return code


if __name__ == "__main__":
    main()
