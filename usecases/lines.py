"""Where in its file something is declared: `/home/me/parcels.py:31`."""

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

from streaming.usecase import UseCase


def of_class(cls: type, attribute: str | None = None, key: str | None = None) -> str:
    """File and line of a class, of an attribute in its body, or of one key of an attribute that is a dict.

    An attribute that only `UseCase` has was left out: then it is the line of the class.
    """
    owner = next((base for base in cls.__mro__ if attribute in vars(base) and base is not UseCase), cls)
    file, tree = _source(owner)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner.__name__]
    if not nodes:
        return file
    line = nodes[-1].lineno
    for node in nodes[-1].body:
        if attribute in _names(node):
            line = _line_of_key(node, key) or _first_line(node)
    return f"{file}:{line}"


def of_call(value: Any, name: str) -> str | None:
    """File and line of the call whose first argument is `name`, in a module that holds the value it made."""
    for module in list(sys.modules.values()):
        if not any(held is value for held in list(getattr(module, "__dict__", {}).values())):
            continue
        file, tree = _source(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and getattr(node.args[0], "value", None) == name:
                return f"{file}:{node.lineno}"
    return None


def of_error(error: BaseException, file: str) -> str:
    """The file with the line in it where the error was raised or passed through last."""
    frame, line = error.__traceback__, None
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == file:
            line = frame.tb_lineno
        frame = frame.tb_next
    return f"{file}:{line}" if line else file


def _source(thing: Any) -> tuple[str, ast.Module]:
    """The file of a class or module, and what it says; the name alone where there is no file."""
    try:
        file = inspect.getsourcefile(thing) or ""
        return file, ast.parse(Path(file).read_text())
    except (OSError, TypeError, SyntaxError, ValueError):
        return str(getattr(thing, "__module__", thing)), ast.Module(body=[], type_ignores=[])


def _names(node: ast.stmt) -> list[str]:
    """What a statement in a class's body gives a value."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return decorators[0].lineno if decorators else node.lineno


def _line_of_key(node: ast.stmt, key: str | None) -> int | None:
    value = getattr(node, "value", None)
    keys = value.keys if isinstance(value, ast.Dict) else []
    return next((found.lineno for found in keys if found and getattr(found, "value", None) == key and key), None)
