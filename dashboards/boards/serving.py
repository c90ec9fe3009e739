"""How the API answers: rate, errors, duration, and with which models."""

from dashboards.panel import Board, Panel

_CASE = 'use_case=~"$use_case"'
_SHARD = f'{_CASE},shard=~"$shard"'
_API = {"The API": "${api}/docs"}
_VERSIONS = {"Its versions, by the API": "${api}/v1/${__field.labels.use_case}/models"}

SERVING = Board(
    uid="headrace-serving",
    title="Headrace / Serving",
    says="Rate, errors and duration by route and version; models, features, limits.",
    variables={
        "use_case": "label_values(headrace_predictions_total, use_case)",
        "shard": 'label_values(headrace_model_age_seconds{use_case=~"$use_case"}, shard)',
    },
    rows={
        "Requests": [
            Panel("Requests a second", "reqps", {"{{route}} {{method}}": "sum by (route, method) (rate(headrace_http_requests_total[$__rate_interval]))"}, links=_API),
            Panel("Share of errors (5xx)", "percentunit", {"{{route}}": "headrace:http_errors:ratio5m or 0 * sum by (route) (headrace_http_requests_total)"},
                  "Of all requests to the route; the log tells why, with the request's id.", steps=((0.01, "orange"), (0.05, "red"))),
            Panel("Slowest hundredth", "s", {"{{route}}": "headrace:http_request_seconds:p99_5m"}, "99 of 100 requests took no longer.", steps=((0.1, "orange"), (0.25, "red"))),
            Panel("Half of the requests", "s", {"{{route}}": "histogram_quantile(0.5, sum by (route, le) (rate(headrace_http_request_seconds_bucket[$__rate_interval])))"}),
            Panel("In flight", "short", {"{{instance}}": "headrace_http_in_flight{job=\"headrace-api\"}"}, steps=((200.0, "red"),)),
            Panel("Refused", "reqps", {"{{status}} {{reason}}": "sum by (status, reason) (rate(headrace_rejected_total[$__rate_interval]))"}),
        ],
        "Predictions": [
            Panel("Predictions a second, by what gave them", "cps", {"{{use_case}} {{source}}": f"sum by (use_case, source) (rate(headrace_predictions_total{{{_CASE}}}[$__rate_interval]))"}),
            Panel("Predictions a second, by version", "cps",
                  {"{{use_case}} {{candidate}} {{version}}": f'sum by (use_case, candidate, version) (sum by (use_case, instance) (rate(headrace_predictions_total{{{_CASE},source="model"}}[5m])) * on (use_case, instance) group_left (candidate, version) headrace_model_info{{shard="0"}})'}),
            Panel("Slowest hundredth of the predictions", "s", {"{{use_case}}": f"histogram_quantile(0.99, sum by (use_case, le) (rate(headrace_predict_seconds_bucket{{{_CASE}}}[5m])))"}, steps=((0.1, "orange"), (0.25, "red"))),
        ],
        "Models": [
            Panel("What is served", "short", {"{{use_case}}/{{shard}} {{candidate}} version {{version}} pinned {{pinned}}": f"count by (use_case, shard, candidate, version, pinned) (headrace_model_info{{{_SHARD}}})"}, width=12, leads_to=_VERSIONS),
            Panel("Age of the model", "s", {"{{use_case}}/{{shard}} {{instance}}": f"headrace_model_age_seconds{{{_SHARD}}}"}, width=6, steps=((60.0, "orange"), (300.0, "red"))),
            Panel("Learned by the model", "short", {"{{use_case}}/{{shard}} {{instance}}": f"headrace_model_learned{{{_SHARD}}}"}, width=6),
            Panel("Models taken up", "cps", {"{{use_case}}": f"sum by (use_case) (rate(headrace_snapshot_swaps_total{{{_CASE}}}[$__rate_interval]))"}, width=6),
            Panel("Snapshots refused", "short", {"{{use_case}} {{reason}}": f"sum by (use_case, reason) (increase(headrace_snapshot_refused_total{{{_CASE}}}[15m]))"}, width=6, steps=((1.0, "red"),)),
            Panel("Time to load", "s", {"{{use_case}}": f"histogram_quantile(0.99, sum by (use_case, le) (rate(headrace_snapshot_load_seconds_bucket{{{_CASE}}}[5m])))"}, width=6),
            Panel("From trainer to serving", "s", {"{{use_case}}": f"histogram_quantile(0.99, sum by (use_case, le) (rate(headrace_snapshot_delay_seconds_bucket{{{_CASE}}}[5m])))"}, width=6, steps=((1.0, "orange"),)),
            Panel("From event to serving", "s",
                  {"half {{use_case}}": f"histogram_quantile(0.5, sum by (use_case, le) (rate(headrace_event_served_seconds_bucket{{{_CASE}}}[5m])))",
                   "slowest hundredth {{use_case}}": f"histogram_quantile(0.99, sum by (use_case, le) (rate(headrace_event_served_seconds_bucket{{{_CASE}}}[5m])))"},
                  width=12, steps=((1.0, "orange"), (10.0, "red"))),
            Panel("Silence of the trainer", "s", {"{{use_case}}/{{shard}}": f"headrace_trainer_silent_seconds{{{_SHARD}}}"}, width=12, steps=((10.0, "orange"), (30.0, "red"))),
        ],
        "Features": [
            Panel("Look-ups", "cps", {"{{use_case}} {{result}}": f"sum by (use_case, result) (rate(headrace_view_lookups_total{{{_CASE}}}[$__rate_interval]))"}, width=12),
            Panel("Age of the features", "s", {"{{use_case}}": f"max by (use_case) (headrace_feature_age_seconds{{{_CASE}}})"}, width=12),
        ],
    },
)  # fmt: skip
