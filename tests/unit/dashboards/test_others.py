"""What is said of the metrics of others is what real ones have shown.

`tests/data/scrapes/` holds what MinIO, node_exporter, redis_exporter and postgres_exporter answered; of the last three
the metrics that are read here.
"""

import re

import pytest

from dashboards.__main__ import ROOT
from dashboards.others import OTHERS

PREFIXES = {"minio": "minio_", "node": "node_", "redis": "redis_", "postgres": "pg_"}


def shown(name):
    """Metric -> the labels of its series."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "tests" / "data" / "scrapes" / f"{name}.prom").read_text().splitlines():
        if not line.startswith("#"):
            metric = re.match(r"[\w:]+", line)
            assert metric
            found.setdefault(metric[0], set()).update(re.findall(r'(\w+)="', line))
    return found


@pytest.mark.parametrize("name", PREFIXES)
def test_metrics_and_labels_are_those_of_a_real_one(name):
    """Every one that a dashboard or rule may name."""
    real = shown(name)
    ours = {metric: labels for metric, labels in OTHERS.items() if metric.startswith(PREFIXES[name])}
    assert ours
    assert ours.keys() - real.keys() == set()
    assert {metric: labels - real[metric] for metric, labels in ours.items() if labels - real[metric]} == {}
