"""The pictures of the page."""

import pytest

from dashboards.boards import BOARDS
from dashboards.panel import Panel
from dashboards.pictures import SHOWN, draw


@pytest.mark.parametrize("name", SHOWN)
def test_the_panels_that_are_drawn_exist(name):
    """By their titles."""
    assert set(SHOWN[name]) - {panel.title for panel in BOARDS[name].panels} == set()


def test_a_panel_becomes_a_picture_with_its_lines(tmp_path):
    """Title, legend, threshold; of the same numbers the same file."""
    panel = Panel("Records behind", "short", {"{{topic}}": "headrace_lag_records"}, steps=((2.0, "red"),))
    lines = {"telecom.usage": [(0.0, 1.0), (60.0, 3.0)]}
    draw(panel, lines, tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "a.svg").stat().st_size > 1_000
