"""Prometheus on this machine, when it is installed: scrapes the local services and evaluates the project's rules."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.local.ports import LOOPBACK, answers
from headrace.local.processes import Child
from headrace.local.server import LocalServer

PORT = 9090
RULES = Path(__file__).parents[2] / "dashboards" / "prometheus"
_EVERY = "2s"


def find_prometheus() -> str | None:
    """The installed program; None when there is none."""
    return shutil.which("prometheus")


def configuration(
    targets: Mapping[str, str], *, rules: Path = RULES, alertmanager: str | None = None, every: str = _EVERY
) -> str:
    """What Prometheus reads, as YAML (of which JSON is a part); `targets` are addresses by the name of their part."""
    jobs: dict[str, list[dict[str, Any]]] = {}
    for part, url in targets.items():
        trains = {"labels": {"trains": part.removeprefix("train ")}} if part.startswith("train ") else {}
        jobs.setdefault(_job(part), []).append({"targets": [urlsplit(url).netloc], **trains})
    content = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}] if alertmanager else []},
        "rule_files": [str(rules / "*.rules.yml")],
        "scrape_configs": [{"job_name": job, "static_configs": addresses} for job, addresses in jobs.items()],
    }
    return json.dumps(content, indent=1)


def _job(part: str) -> str:
    """The job that the rules know a part by.

    >>> [_job(part) for part in ("api", "train churn", "archive")]
    ['headrace-api', 'headrace-trainer', 'headrace-archive']
    """
    return "headrace-trainer" if part.startswith("train ") else f"headrace-{part}"


class LocalPrometheus(LocalServer):
    """A server that keeps two weeks below the folder of the local state."""

    name = "Prometheus"
    start_s = 30.0

    def __init__(self, home: Path, program: str, port: int, settings: str) -> None:
        """Prepare it with its `configuration`; its log is `logs/prometheus.log`."""
        self.port = port
        folder = home.absolute() / "prometheus"
        folder.mkdir(exist_ok=True)
        file = folder / "prometheus.yml"
        file.write_text(settings)
        self.child = Child(
            "prometheus",
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=14d",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--log.level=warn",
            ],
            log=home.absolute() / "logs" / "prometheus.log",
            folder=folder,
        )

    @property
    def url(self) -> str:
        """Its page."""
        return f"http://{LOOPBACK}:{self.port}"

    def reachable(self) -> bool:
        """Whether it has read what it kept."""
        return answers(self.port, "/-/ready")
