"""Kafka as our services see it, dead letters, and the archive."""

from dashboards.panel import Board, Panel

_OF = 'topic=~"$topic"'
_READ = f'use_case=~"$use_case",shard=~"$shard",{_OF}'

STREAMS = Board(
    uid="headrace-streams",
    title="Headrace / Streams",
    says="Lag and rates by topic, late events and dead letters, the archive.",
    variables={
        "use_case": "label_values(headrace_consumed_total, use_case)",
        "shard": 'label_values(headrace_consumed_total{use_case=~"$use_case"}, shard)',
        "topic": 'label_values(headrace_consumed_total{use_case=~"$use_case"}, topic)',
    },
    rows={
        "Reading": [
            Panel("Records a second", "cps", {"{{use_case}} {{topic}}": f"sum by (use_case, topic) (rate(headrace_consumed_total{{{_READ}}}[$__rate_interval]))"}),
            Panel("Records behind", "short", {"{{use_case}} {{topic}}": f"sum by (use_case, topic) (headrace_lag_records{{{_READ}}})"}, steps=((10_000.0, "orange"), (100_000.0, "red"))),
            Panel("Time behind", "s", {"{{use_case}}/{{shard}}": 'headrace_lag_seconds{use_case=~"$use_case",shard=~"$shard"}'}, steps=((60.0, "orange"), (300.0, "red"))),
            Panel("Dead letters", "short", {"{{topic}} {{reason}}": f"sum by (topic, reason) (increase(headrace_dead_total{{{_READ}}}[5m]))"}, steps=((1.0, "red"),)),
            Panel("Late events", "cps", {"{{topic}}": f"sum by (topic) (rate(headrace_late_total{{{_READ}}}[$__rate_interval]))"}),
            Panel("Dead letters of the archive", "short", {"{{topic}}": f"sum by (topic) (increase(headrace_archive_dead_total{{{_OF}}}[5m]))"}, steps=((1.0, "red"),)),
        ],
        "Kafka's clients": [
            Panel("Brokers", "short", {"{{job}} {{client}} {{instance}}": "headrace_kafka_brokers_up"}, width=6),
            Panel("Round trips", "s", {"{{job}} {{client}} {{instance}}": "headrace_kafka_request_seconds"}, width=6),
            Panel("Records to be sent", "short", {"{{job}} {{client}} {{instance}}": "headrace_kafka_queued_records"}, width=6),
            Panel("Failed requests", "cps", {"{{job}} {{client}}": "sum by (job, client) (rate(headrace_kafka_errors_total[$__rate_interval]))"}, width=6),
        ],
        "Archive": [
            Panel("Rows", "short", {"{{topic}}": f"headrace_archive_rows{{{_OF}}}"}),
            Panel("Rows a second", "cps", {"{{topic}}": f"sum by (topic) (rate(headrace_archive_written_total{{{_OF}}}[$__rate_interval]))"}),
            Panel("Records behind", "short", {"{{topic}}": f"headrace_archive_lag_records{{{_OF}}}"}, steps=((100_000.0, "orange"), (1_000_000.0, "red"))),
            Panel("Rows that wait", "short", {"{{topic}}": f"sum by (topic) (headrace_archive_waiting_rows{{{_OF}}})"}),
            Panel("Oldest row that waits", "s", {"since it was read, {{topic}}": f"max by (topic) (headrace_archive_waiting_seconds{{{_OF}}})",
                                                 "in Kafka, {{topic}}": f"max by (topic) (headrace_archive_lag_seconds{{{_OF}}})"}, steps=((30.0, "orange"), (120.0, "red"))),
            Panel("Slowest hundredth of the commits", "s", {"{{topic}}": f"histogram_quantile(0.99, sum by (topic, le) (rate(headrace_archive_commit_seconds_bucket{{{_OF}}}[5m])))"}),
            Panel("Commits", "cps", {"done {{topic}}": f"sum by (topic) (rate(headrace_archive_commits_total{{{_OF}}}[$__rate_interval]))",
                                     "failed {{topic}}": f"sum by (topic) (rate(headrace_archive_failures_total{{{_OF}}}[$__rate_interval]))"}),
            Panel("Compactions", "short", {"done {{topic}}": f"sum by (topic) (increase(headrace_archive_compactions_total{{{_OF}}}[1h]))",
                                           "failed {{topic}}": f"sum by (topic) (increase(headrace_archive_upkeep_failures_total{{{_OF}}}[1h]))"}),
            Panel("Files", "short", {"{{topic}}": f"headrace_archive_files{{{_OF}}}"}),
        ],
    },
)  # fmt: skip
