"""Is everything well? In one screen."""

from dashboards.panel import Board, Panel

_BAD_AT_ONE = ((1.0, "red"),)
_GOOD_AT_ONE = ((0.0, "red"), (1.0, "green"))

OVERVIEW = Board(
    uid="headrace-overview",
    title="Headrace / Overview",
    says="Is everything well? What is not green here has its own dashboard.",
    rows={
        "Now": [
            Panel(
                "Alerts that fire", "short", {"{{severity}}": 'count by (severity) (ALERTS{alertstate="firing"}) or vector(0)'},
                "By severity. docs/runbooks.md has a paragraph for each.", width=4, big=True, steps=_BAD_AT_ONE,
            ),
            Panel(
                "Services", "short", {"{{job}}": 'sum by (job) (up{job=~"headrace-.*"})'},
                "Copies that answer Prometheus.", width=5, big=True, steps=_GOOD_AT_ONE,
            ),
            Panel(
                "Learners", "short", {"{{use_case}}": "sum by (use_case) (headrace_seats)"},
                width=5, big=True, steps=_GOOD_AT_ONE,
            ),
            Panel(
                "Training", "bool_on_off", {"{{use_case}}": "min by (use_case) (headrace_training_enabled)"},
                width=5, big=True, steps=_GOOD_AT_ONE,
            ),
            Panel(
                "Build", "short", {"{{service}} {{version}}": "count by (service, version) (headrace_build_info)"},
                width=5, big=True,
            ),
        ],
        "From event to answer": [
            Panel("Events learned a second", "cps", {"{{use_case}}": "sum by (use_case) (headrace:events:rate5m)"},
                  "Events that the handlers used."),
            Panel("Records behind", "short", {"{{use_case}}": "sum by (use_case) (headrace_lag_records)"},
                  steps=((10_000.0, "orange"), (100_000.0, "red"))),
            Panel("Age of the served model", "s", {"{{use_case}}": "max by (use_case) (headrace_model_age_seconds)"},
                  steps=((60.0, "orange"), (300.0, "red"))),
        ],
        "Quality and answers": [
            Panel(
                "The champion lately, against its life", "percentunit",
                {"{{use_case}} {{metric}}": "headrace:champion_worse:ratio"},
                "How much worse the rolling metric of the champion is than its value over the whole life; below zero it "
                "is better. Over a tenth: see Learning.",
                steps=((0.1, "orange"), (0.25, "red")),
            ),
            Panel("Requests a second", "reqps", {"{{status}}": "sum by (status) (headrace:http_requests:rate5m)"},
                  "All routes, by status."),
            Panel("Slowest hundredth of the predictions", "s", {"{{use_case}}": "headrace:predict_seconds:p99_5m"},
                  "99 of 100 predictions took no longer.", steps=((0.1, "orange"), (0.25, "red"))),
        ],
    },
)  # fmt: skip
