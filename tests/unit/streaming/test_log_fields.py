"""Log lines bear the fields that docs/observability.md tells of, and services write nothing beside them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("trainer", "serving", "streaming", "usecases", "producers", "headrace/commands", "headrace/__main__.py")
LEVELS = {"debug", "info", "warning", "error", "exception"}
FILES = [
    file
    for package in PACKAGES
    for file in ([ROOT / package] if package.endswith(".py") else sorted((ROOT / package).rglob("*.py")))
]


def documented() -> set[str]:
    """Every name in the section of log lines."""
    page = (ROOT / "docs" / "observability.md").read_text()
    return set(re.findall(r"`(\w+)`", page.partition("## Log lines")[2].partition("\n## ")[0]))


def calls(file: Path) -> list[ast.Call]:
    """What a file logs."""
    return [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and ast.unparse(node.func.value) in {"log", "structlog.get_logger()"}
    ]


def test_every_field_of_every_line_is_documented():
    """By the code: no run would see them all."""
    fields = {keyword.arg for file in FILES for call in calls(file) for keyword in call.keywords if keyword.arg}
    assert len(fields) > 20
    assert fields - documented() == set()


def test_an_event_is_said_in_words_that_stay_the_same():
    """What differs from line to line is a field, so that lines can be counted by their event."""
    made = [
        f"{file.name}:{call.lineno}"
        for file in FILES
        for call in calls(file)
        if not isinstance(call.args[0], ast.Constant | ast.IfExp | ast.Name)
    ]
    assert made == []


@pytest.mark.parametrize("package", ["trainer", "serving", "streaming", "usecases"])
def test_services_write_by_structlog_alone(package):
    """No print, and no logger of Python's own but to quiet a library's, in files that a service loads."""
    allowed = {"logs.py", "tracking.py", "settings.py", "failpoints.py"}
    wrong = [
        f"{file.name}: {found[0]}"
        for file in sorted((ROOT / package).rglob("*.py"))
        if file.name not in allowed
        for found in re.finditer(
            r"^(?!.*>>>)(?!.*\.\.\. ).*(?<![\w.])(print\(|sys\.stderr|sys\.stdout|logging\.getLogger)",
            file.read_text(),
            re.MULTILINE,
        )
    ]
    assert wrong == []
