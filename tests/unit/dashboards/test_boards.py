"""Dashboards show what there is, and all of it."""

import json
import re
import subprocess

import pytest

from dashboards.__main__ import ROOT
from dashboards.boards import BOARDS
from dashboards.checks import labels_of, unknown
from dashboards.panel import instruments
from streaming.metrics import INSTRUMENTS
from tests.api import routes
from tests.programs import program

PANELS = {
    f"{board.title} / {row} / {panel.title}": panel
    for board in BOARDS.values()
    for row, panels in board.rows.items()
    for panel in panels
}
ROUTES = routes()


def linked(link):
    """The route of the API that a link leads to."""
    return re.findall(r"^\${api}(/.*)", link.replace("${use_case:raw}", "{use_case}"))


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_names_only_what_exists_and_says_what_it_means(name):
    """Metrics, labels, routes; labels in its legends; a unit and a description."""
    panel = PANELS[name]
    assert [wrong for query in panel.queries.values() for wrong in unknown(query, ROUTES)] == []
    assert {path for link in panel.links.values() for path in linked(link)} - ROUTES == set()
    legends = {label for legend in panel.queries for label in re.findall(r"{{(\w+)}}", legend)}
    assert legends - labels_of(panel.queries.values()) == set()
    assert panel.unit
    assert len(panel.description) > 10


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_variables_and_annotations_name_only_what_exists(board):
    """And panels name only variables of their board."""
    queries = [re.sub(r"label_values\((.*), \w+\)", r"\1", query) for query in board.variables.values()]
    assert [wrong for query in [*queries, *board.annotations.values()] for wrong in unknown(query)] == []
    used = {name for panel in board.panels for text in panel.queries.values() for name in re.findall(r"\$(\w+)", text)}
    assert used - {"__rate_interval"} - board.variables.keys() == set()


def test_every_instrument_is_on_a_dashboard():
    """None is shown to nobody."""
    rules = [query for board in BOARDS.values() for panel in board.panels for query in panel.queries.values()]
    assert INSTRUMENTS.keys() - {one.name for one in instruments(rules)} == set()


def test_panels_of_a_row_fill_the_grid():
    """24 columns: none stands alone at the left with nothing beside it."""
    sums = {
        row: sum(panel.width for panel in panels) for board in BOARDS.values() for row, panels in board.rows.items()
    }
    assert {row: width for row, width in sums.items() if width % 24} == {}


@pytest.mark.parametrize("name", BOARDS)
def test_the_json_has_every_panel_with_its_source_and_no_two_in_one_place(name):
    """As Grafana will import it."""
    made = json.loads((ROOT / "dashboards" / "grafana" / f"{name}.json").read_text())
    panels = [panel for panel in made["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels] == [panel.title for panel in BOARDS[name].panels]
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in made["panels"]]
    assert len(set(places)) == len(places)
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}


def test_promtool_understands_every_query(tmp_path):
    """Each as a recorded series: syntax, types of arguments, matching."""
    promtool = program("promtool")
    queries = [query for panel in PANELS.values() for query in panel.queries.values()]
    plain = [re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "5m")) for query in queries]
    rules = [{"record": f"query:{at}", "expr": query} for at, query in enumerate(plain)]
    file = tmp_path / "queries.rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
