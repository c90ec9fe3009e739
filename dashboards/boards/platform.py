"""What we stand on: our processes, Kafka, PostgreSQL, Redis, MinIO, the machines."""

from dashboards.panel import Board, Panel

_OURS = 'job=~"headrace-.*"'

PLATFORM = Board(
    uid="headrace-platform",
    title="Headrace / Platform",
    says="Our processes, and Kafka, PostgreSQL, Redis, MinIO and the machines by their standard exporters.",
    rows={
        "Our processes": [
            Panel("CPU", "percentunit", {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{_OURS}}}[$__rate_interval])"}, "Cores in use."),
            Panel("Memory", "bytes", {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{_OURS}}}"}, "Resident memory. A trainer needs up to twice its state."),
            Panel("Open files", "short", {"{{job}} {{instance}}": f"process_open_fds{{{_OURS}}}"}, "Growing without end: connections are not closed."),
        ],
        "Kafka": [
            Panel("Messages a second", "cps", {"{{instance}}": "rate(kafka_server_brokertopicmetrics_messagesin_total[$__rate_interval])"}, "That the broker takes."),
            Panel("Bytes a second", "Bps", {"in {{instance}}": "rate(kafka_server_brokertopicmetrics_bytesin_total[$__rate_interval])", "out {{instance}}": "rate(kafka_server_brokertopicmetrics_bytesout_total[$__rate_interval])"}, "In and out of the broker."),
            Panel("Partitions that lack replicas", "short", {"{{instance}}": "kafka_server_replicamanager_underreplicatedpartitions"}, "Over zero for long: a broker is behind or away.", steps=((1.0, "red"),)),
        ],
        "PostgreSQL (MLflow)": [
            Panel("Connections", "short", {"{{datname}}": "pg_stat_database_numbackends"}, "Near max_connections nobody gets in."),
            Panel("Commits a second", "cps", {"{{datname}}": "rate(pg_stat_database_xact_commit[$__rate_interval])"}, "Transactions of MLflow."),
            Panel("Size", "bytes", {"{{datname}}": "pg_database_size_bytes"}, "Curves grow it."),
        ],
        "Redis (features)": [
            Panel("Memory", "bytes", {"{{instance}}": "redis_memory_used_bytes"}, "All views of all keys are in it."),
            Panel("Commands a second", "cps", {"{{instance}}": "rate(redis_commands_processed_total[$__rate_interval])"}, "Look-ups and views."),
            Panel("Clients", "short", {"{{instance}}": "redis_connected_clients"}, "APIs and trainers."),
        ],
        "MinIO (store)": [
            Panel("Free room", "bytes", {"{{server}}": "minio_cluster_capacity_usable_free_bytes"}, "The archive grows for ever unless rows are retained for a time."),
            Panel("Requests a second", "reqps", {"{{api}}": "sum by (api) (rate(minio_s3_requests_total[$__rate_interval]))"}, "By call of the S3 API."),
            Panel("Errors a second", "reqps", {"{{api}}": "sum by (api) (rate(minio_s3_requests_errors_total[$__rate_interval])) or 0 * sum by (api) (minio_s3_requests_total)"}, "4xx and 5xx, by call. A 404 is normal where something is looked for; more than a few a second is not.", steps=((10.0, "red"),)),
        ],
        "Machines": [
            Panel("Free disk", "percentunit", {"{{instance}} {{mountpoint}}": 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"} / node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"}'}, "Of each file system.", width=6, steps=()),
            Panel("CPU", "percentunit", {"{{instance}}": '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))'}, "Share of all cores.", width=6, steps=((0.9, "red"),)),
            Panel("Clock", "s", {"{{instance}}": "abs(node_timex_offset_seconds)"}, "How wrong the machine's clock is.", width=6, steps=((0.5, "red"),)),
            Panel("Certificates and keys", "s",
                  {"valid for, {{instance}}": "probe_ssl_earliest_cert_expiry - time()",
                   "age of the key of {{instance}}": 'time() - (headrace_signing_key_time_seconds{job="headrace-trainer"} > 0)'},
                  "How long each certificate is still valid, and how old the signing key is where it is a file.", width=6),
        ],
    },
)  # fmt: skip
