"""The metrics of others that dashboards and rules read, with the labels that they read them by.

From Prometheus's client and server, node_exporter, postgres_exporter, redis_exporter, blackbox_exporter, MinIO's own
page and the JMX exporter with the rules of `prometheus/kafka.yml`.
"""

OTHERS: dict[str, frozenset[str]] = {
    "up": frozenset(),
    "process_start_time_seconds": frozenset(),
    "process_resident_memory_bytes": frozenset(),
    "process_cpu_seconds_total": frozenset(),
    "process_open_fds": frozenset(),
    "node_filesystem_avail_bytes": frozenset({"mountpoint", "fstype", "device"}),
    "node_filesystem_size_bytes": frozenset({"mountpoint", "fstype", "device"}),
    "node_timex_offset_seconds": frozenset(),
    "node_timex_sync_status": frozenset(),
    "node_timex_maxerror_seconds": frozenset(),
    "node_cpu_seconds_total": frozenset({"cpu", "mode"}),
    "node_memory_MemAvailable_bytes": frozenset(),
    "probe_ssl_earliest_cert_expiry": frozenset(),
    "pg_up": frozenset(),
    "pg_stat_database_numbackends": frozenset({"datname", "server"}),
    "pg_stat_database_xact_commit": frozenset({"datname", "server"}),
    "pg_database_size_bytes": frozenset({"datname", "server"}),
    "redis_up": frozenset(),
    "redis_memory_used_bytes": frozenset(),
    "redis_commands_processed_total": frozenset(),
    "redis_connected_clients": frozenset(),
    "kafka_server_replicamanager_underreplicatedpartitions": frozenset(),
    "kafka_server_brokertopicmetrics_messagesin_total": frozenset(),
    "kafka_server_brokertopicmetrics_bytesin_total": frozenset(),
    "kafka_server_brokertopicmetrics_bytesout_total": frozenset(),
    "minio_cluster_capacity_usable_free_bytes": frozenset({"server"}),
    "minio_cluster_health_status": frozenset({"server"}),
    "minio_s3_requests_total": frozenset({"api", "server"}),
    "minio_s3_requests_errors_total": frozenset({"api", "server"}),
}
