"""The entry point `headrace`: every failure is one sentence and an exit code."""

import sys

from headrace.cli import app
from streaming.errors import HeadraceError, WrongUsage


def main() -> None:
    """Run a command; exit 0 done, 1 failed, 2 wrong usage."""
    try:
        app()
    except WrongUsage as error:
        sys.exit(_say(error, 2))
    except HeadraceError as error:
        sys.exit(_say(error, 1))


def _say(error: HeadraceError, code: int) -> int:
    sys.stderr.write(f"headrace: {error}\n")
    return code


if __name__ == "__main__":
    main()
