"""Dashboards as Grafana's JSON, by its own foundation SDK."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from dashboards.panel import Board, Panel

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_ADDRESSES = {"api": "http://127.0.0.1:8000", "mlflow": "http://127.0.0.1:5000"}
Drawn: TypeAlias = stat.Panel | timeseries.Panel


def draw(board: Board) -> str:
    """The file that Grafana imports."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.says)
        .tags(["headrace"])
        .editable()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .link(dashboard.DashboardLink("Headrace").type(DashboardLinkType.DASHBOARDS).tags(["headrace"]).keep_time(True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for name, query in board.variables.items():
        made.with_variable(_variable(name, query))
    for name, address in _ADDRESSES.items():
        made.with_variable(dashboard.TextBoxVariable(name).label(f"Address of {name}").default_value(address))
    for name, query in board.annotations.items():
        made.annotation(
            dashboard.AnnotationQuery().name(name).datasource(_SOURCE).enable(True).icon_color("purple").expr(query)
        )
    for title, panels in board.rows.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.replace("_", " "))
        .datasource(_SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current({"selected": True, "text": "All", "value": "$__all"})  # type: ignore[arg-type]  # as Grafana writes it
    )


def _panel(panel: Panel) -> Drawn:
    drawn: Any = _number(panel) if panel.big else _lines(panel)
    drawn.title(panel.title).description(panel.description).unit(panel.unit).datasource(_SOURCE)
    drawn.height(4 if panel.big else 8).span(panel.width)
    drawn.thresholds(_thresholds(panel.steps))
    drawn.links(_links(panel.links))
    drawn.data_links(_links(panel.leads_to))
    for at, (legend, query) in enumerate(panel.queries.items()):
        drawn.with_target(_target(chr(ord("A") + at), legend, query))
    return drawn  # type: ignore[no-any-return]  # one of the two


def _links(links: Mapping[str, str]) -> list[dashboard.DashboardLink]:
    return [dashboard.DashboardLink(title).url(url).target_blank(True) for title, url in links.items()]


def _number(panel: Panel) -> stat.Panel:  # noqa: ARG001  # as the other
    return stat.Panel().no_value("-")


def _lines(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True)
    legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    drawn = timeseries.Panel().legend(legend).fill_opacity(8).line_width(1)
    drawn.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if panel.unit not in {"short", "none"}:
        drawn.min(0)
    return drawn


def _target(ref: str, legend: str, query: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).expr(query).legend_format(legend).datasource(_SOURCE)


def _thresholds(steps: tuple[tuple[float, str], ...]) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=None, color="green"), *(Threshold(value=value, color=color) for value, color in steps)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def drawn_files(boards: Mapping[str, Board]) -> dict[str, str]:
    """File name -> its text."""
    return {f"{name}.json": draw(board) for name, board in boards.items()}
