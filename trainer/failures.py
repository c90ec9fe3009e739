"""What went wrong in a use case's own code: its line, and what a model was given."""

import sysconfig
import traceback
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from streaming.usecase import Features, Handler, Label

_LIBRARIES = tuple(sysconfig.get_paths()[part] for part in ("stdlib", "purelib", "platlib"))
_MACHINERY = tuple(f"{Path(__file__).parents[1] / part}/" for part in ("streaming", "trainer"))
_MOST = 160  # characters of a sentence that go to values


def error_line(error: BaseException, handler: Handler | None = None) -> str:
    """The error and the last line of the use case's own code on its way.

    Where it passed none, that of the handler whose outcome it is about; of a library where there is neither.
    """
    frames = traceback.extract_tb(error.__traceback__)
    others = [frame for frame in frames if not frame.filename.startswith(_MACHINERY)]
    own = [frame for frame in others if not frame.filename.startswith(_LIBRARIES)]
    code = getattr(handler, "__code__", None)
    places = [(frame.filename, frame.lineno) for frame in own]
    places = places or ([(code.co_filename, code.co_firstlineno)] if code else [])
    places = places or [(frame.filename, frame.lineno) for frame in others or frames]
    where = "".join(f" ({Path(file).name}:{line})" for file, line in places[-1:])
    return f"{type(error).__name__}: {error}{where}"


def what_was_given(x: Features, y: Label | None = None) -> str:
    """What in x is no number, or else x; and the label.

    >>> what_was_given({"km": 3.0, "shop": "A"}), what_was_given({"km": 3.0}, y=True)
    ("not a number in x: {'shop': 'A'}", "x was {'km': 3.0}, y was True")
    """
    odd = {name: value for name, value in x.items() if not _is_number(value)}
    what = f"not a number in x: {_short(odd)}" if odd else f"x was {_short(x)}"
    return what if y is None else f"{what}, y was {_short(y)}"


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _short(value: Label | Mapping[Any, Any]) -> str:
    shown = repr(value)
    return shown if len(shown) <= _MOST else f"{shown[: _MOST - 3]}..."
