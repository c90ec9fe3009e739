"""The pictures of the page."""

import re

import pytest

from dashboards.__main__ import ROOT
from dashboards.boards import BOARDS
from dashboards.panel import Panel
from dashboards.pictures import SHOWN, draw, picture


@pytest.mark.parametrize("name", SHOWN)
def test_the_panels_that_are_drawn_exist(name):
    """By their titles."""
    assert set(SHOWN[name]) - {panel.title for panel in BOARDS[name].panels} == set()


def test_every_picture_is_on_the_page_and_there():
    """Under the name of its file."""
    page = (ROOT / "docs" / "observability.md").read_text()
    shown = re.findall(r"\((figures/.*?\.svg)\)", page)
    assert shown == [f"figures/{picture(name, title).name}" for name, titles in SHOWN.items() for title in titles]
    assert [file for file in shown if not (ROOT / "docs" / file).is_file()] == []


def test_a_panel_becomes_a_picture_with_its_lines(tmp_path):
    """Title, legend, threshold; of the same numbers the same file."""
    panel = Panel("Records behind", "short", {"{{topic}}": "headrace_lag_records"}, steps=((2.0, "red"),))
    lines = {"telecom.usage": [(0.0, 1.0), (60.0, 3.0)]}
    draw(panel, lines, tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "a.svg").stat().st_size > 1_000
