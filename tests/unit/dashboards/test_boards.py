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


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_of_the_json_has_unit_words_and_thresholds_in_order(name):
    """Those of its source: what turns red does so at the value that is written there."""
    for panel, source in zip(panels_of(name), BOARDS[name].panels, strict=True):
        shown = panel["fieldConfig"]["defaults"]
        assert shown["unit"] == source.unit
        assert panel["description"] == source.description
        steps = [(step["value"], step["color"]) for step in shown["thresholds"]["steps"]]
        assert steps == [(None, "green"), *source.steps]
        assert list(source.steps) == sorted(source.steps)


def test_what_matters_has_thresholds():
    """A lag, an age, a share of errors without one would say nothing to who sees it for the first time."""
    without = {title.rpartition(" / ")[2] for title, panel in PANELS.items() if not panel.steps}
    wanted = {"Records behind", "Time behind", "Age of the model", "Share of errors (5xx)", "Slowest hundredth"}
    wanted |= {"Age of the newest checkpoint", "Dead letters", "Snapshots refused", "Candidates that failed", "Clock"}
    assert wanted & without == set()
    assert wanted <= {panel.title for panel in PANELS.values()}


@pytest.mark.parametrize("name", BOARDS)
def test_links_use_variables_and_labels_that_exist(name):
    """Of a panel those of its board; of a series its own labels beside them."""
    made = read(name)
    variables = {variable["name"] for variable in made["templating"]["list"]}
    for panel, source in zip(panels_of(name), BOARDS[name].panels, strict=True):
        links = [link["url"] for link in panel["links"]]
        leads_to = [link["url"] for link in panel["fieldConfig"]["defaults"].get("links") or ()]
        assert (len(links), len(leads_to)) == (len(source.links), len(source.leads_to))
        used = set(re.findall(r"\$\{([\w.]+)", " ".join([*links, *leads_to])))
        labels = {one.removeprefix("__field.labels.") for one in used if one.startswith("__field.labels.")}
        assert {one for one in used if "." not in one} - variables == set()
        assert labels - labels_of(source.queries.values()) == set()
        assert all(url.startswith(("${api}/", "${mlflow}/")) for url in [*links, *leads_to])


def test_learning_marks_changes_leads_to_runs_and_is_chosen_by_use_case_and_shard():
    """In the file that Grafana imports."""
    made = read("learning")
    marks = {one["name"]: one["expr"] for one in made["annotations"]["list"]}
    assert "headrace_champion_info" in marks["Another champion"]
    assert "headrace_drifts_total" in marks["Drift"]
    assert all(one["enable"] for one in made["annotations"]["list"])
    text = json.dumps(made)
    assert "/runs/${__field.labels.run}" in text
    assert "${api}/v1/${__field.labels.use_case}/metrics" in text
    for name in ("learning", "serving", "streams"):
        assert {"use_case", "shard"} <= {variable["name"] for variable in read(name)["templating"]["list"]}


def read(name):
    """The file."""
    return json.loads((ROOT / "dashboards" / "grafana" / f"{name}.json").read_text())


def panels_of(name):
    """Its panels, without rows."""
    return [panel for panel in read(name)["panels"] if panel["type"] != "row"]


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
