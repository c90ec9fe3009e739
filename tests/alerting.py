"""Real Prometheus and Alertmanager for tests, in a hurry: minutes of the rules are seconds here."""

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import urllib3
import yaml

from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child
from headrace.local.prometheus import RULES
from headrace.local.server import LocalServer
from tests.programs import program


def hurried(folder: Path) -> Path:
    """A copy of the project's rules in which each minute is a second, and a trainer is silent after five."""
    folder.mkdir()
    for file in RULES.glob("*.rules.yml"):
        quick = re.sub(r"\b(\d+)m\b", r"\1s", file.read_text())
        (folder / file.name).write_text(
            quick.replace("headrace_trainer_silent_seconds > 30", "headrace_trainer_silent_seconds > 5")
        )
    return folder


def scraping(targets: Mapping[str, str], *, rules: Path, alertmanager: str, blackbox: str) -> str:
    """The project's configuration of Prometheus with a target for each of its jobs, each second."""
    text = (RULES / "prometheus.yml").read_text()
    content = yaml.safe_load(text.replace("127.0.0.1:9115", blackbox))
    content["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    content["rule_files"] = [str(rules / "*.rules.yml")]
    content["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    assert jobs.keys() == targets.keys()
    for name, target in targets.items():
        jobs[name]["static_configs"] = [{"targets": [target]}]
    return str(yaml.safe_dump(content))


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """The series that Prometheus answers a query with."""
    answer = urllib3.request("GET", f"{url}/api/v1/query", fields={"query": query}).json()
    assert answer["status"] == "success", (query, answer)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


@dataclass
class Webhook:
    """Hears of alerts: by name the last state that was told, firing or resolved."""

    states: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, str]] = field(default_factory=list)
    """Everything in its order."""

    def __enter__(self) -> Self:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                for alert in body["alerts"]:
                    hook.states[alert["labels"]["alertname"]] = alert["status"]
                    hook.heard.append((alert["labels"]["alertname"], alert["status"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class LocalAlertmanager(LocalServer):
    """The project's routing and inhibitions, with the webhook as every receiver and no time to wait."""

    name = "Alertmanager"
    start_s = 30.0

    def __init__(self, home: Path, hook: Webhook) -> None:
        self.port = free_port()
        content = yaml.safe_load((RULES / "alertmanager.yml").read_text())
        for route in [content["route"], *content["route"]["routes"]]:
            route |= {"group_wait": "0s", "group_interval": "1s"}
        for receiver in content["receivers"]:
            for config in receiver.get("webhook_configs", ()):
                config["url"] = hook.url
        file = home / "alertmanager.yml"
        file.write_text(yaml.safe_dump(content))
        options = [f"--config.file={file}", f"--storage.path={home / 'alertmanager'}", "--cluster.listen-address="]
        self.child = Child(
            "alertmanager",
            [program("prometheus-alertmanager", "alertmanager"), *options, f"--web.listen-address={self.address}"],
            log=home / "alertmanager.log",
        )

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    def silences(self, alert: str) -> bool:
        """Whether it knows this alert, and tells nobody because another one fires."""
        asked = {"filter": f'alertname="{alert}"'}
        found = urllib3.request("GET", f"http://{self.address}/api/v2/alerts", fields=asked).json()
        return bool(found) and all(one["status"]["inhibitedBy"] for one in found)

    def reachable(self) -> bool:
        """It is ready."""
        try:
            return urllib3.request("GET", f"http://{self.address}/-/ready", retries=False, timeout=1).status == 200
        except urllib3.exceptions.HTTPError:
            return False
