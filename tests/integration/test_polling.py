"""Polling an HTTP API into a real broker: failures, crashes, and going on where it stopped."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from confluent_kafka.admin import AdminClient

from producers.cursors import HEADER, read_back, save
from producers.polling import Refused, Web
from producers.sending import Sender, Stop
from streaming.settings import Kafka
from streaming.topics import Topic
from tests.support import CommandLine, fill, make_topic, read_all, unique, wait_for
from usecases.market.events import PriceEvent

SYMBOLS = ("POLLED-A", "POLLED-B", "POLLED-C")
START_MS, HOUR_MS = 1_767_225_600_000, 3_600_000  # 2026-01-01
PAGE = 40
TOPIC = "market.prices"


class Exchange:
    """An exchange's candles, a page at a time; what goes wrong is told in advance."""

    def __init__(self) -> None:
        self.hours = 0
        """Candles of each symbol so far."""
        self.faults: list[str] = []
        self.asked = 0
        self.pause_s = 0.0
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exchange.answer(self)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.over = threading.Event()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/candles"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        time.sleep(self.pause_s)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "silence":
            self.over.wait(30)
            return
        query = parse_qs(urlsplit(request.path).query)
        first = max(0, (int(query["from"][0]) - START_MS) // HOUR_MS)  # its own hour again, as exchanges do
        hours = range(first, min(self.hours, first + PAGE))
        body = orjson.dumps({"data": [[START_MS + hour * HOUR_MS, str(price(hour))] for hour in hours]})
        request.send_response(int(fault) if fault and fault.isdigit() else 200)
        if fault == "429":
            request.send_header("Retry-After", "0")
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if fault == "broken" else body)

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


def price(hour: int) -> float:
    """Of every symbol at that hour."""
    return 100 + hour % 17


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange on a port of its own."""
    found = Exchange()
    yield found
    found.close()


@pytest.fixture
def poller(cli, kafka, exchange) -> CommandLine:
    """The command line, with a mapping of this exchange under a name of its own."""
    cli.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"] = kafka
    name = unique("candles")
    cli.environment["POLL_NAME"] = name
    (cli.folder / "candles.toml").write_text(
        f"""
        name = "{name}"
        topic = "{TOPIC}"
        url = "{exchange.url}?symbol={{symbol}}&from={{after_ms}}"
        rows = "data"
        start = 2026-01-01T00:00:00Z
        every_s = 0.2
        timeout_s = 1
        each = {{ symbol = {json.dumps(SYMBOLS)} }}
        fields = {{ symbol = "{{symbol}}", time = 0, value = 1 }}
        """
    )
    found: CommandLine = cli
    return found


def on_topic(poller: CommandLine) -> dict[str, list[dict[str, Any]]]:
    """The events of this poll by symbol, in the order of the topic."""
    found = defaultdict(list)
    bootstrap, name = poller.environment["HEADRACE_KAFKA__BOOTSTRAP_SERVERS"], poller.environment["POLL_NAME"]
    for message in read_all(bootstrap, TOPIC):
        headers: Any = message.headers() or ()
        if dict(headers).get("poll", b"").decode().startswith(name):
            event = orjson.loads(message.value() or b"")
            found[event["symbol"]].append(event)
    return found


def held(poller: CommandLine) -> int:
    """How many there are."""
    return sum(map(len, on_topic(poller).values()))


def holds(poller: CommandLine, wanted: int) -> bool:
    """Whether there are so many."""
    return held(poller) >= wanted


def asked_more_than(exchange: Exchange, count: int) -> bool:
    """Whether the exchange was asked more often."""
    return exchange.asked > count


def whole(hours: int) -> dict[str, list[float]]:
    """The values that each symbol must have."""
    return {symbol: [price(hour) for hour in range(hours)] for symbol in SYMBOLS}


def values(poller: CommandLine) -> dict[str, list[float]]:
    """The values that each symbol has; times rise by an hour without a gap."""
    found = on_topic(poller)
    for events in found.values():
        hours = [f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z" for hour in range(len(events))]
        assert [event["time"] for event in events] == hours
    return {symbol: [event["value"] for event in events] for symbol, events in found.items()}


def test_failures_are_waited_out(poller, exchange):
    """Errors, an order to wait, half an answer, silence: all that the exchange has is on the topic, once, in order."""
    exchange.hours = 100
    exchange.faults = ["500", "broken", "silence", "429", "503", "302"]
    done = poller("produce", "--poll", "candles.toml", "--count", "300", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"events": {TOPIC: 300}, "unfit": 0}
    assert values(poller) == whole(100)
    assert "answers 500; asked again in 1 s" in done.stderr
    assert "answers again" in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_in_mid_flow(poller, exchange):
    """However often it is killed, and though its file is lost once, every candle is on the topic once, in order."""
    exchange.hours, exchange.pause_s = 400, 0.05
    for loses_its_file in (False, True):
        running = poller.start("produce", "--poll", "candles.toml")
        wait_for(partial(asked_more_than, exchange, exchange.asked + 8), what="some pages")
        running.process.kill()
        running.finish()
        if loses_its_file:
            (poller.folder / ".headrace" / "poll" / f"{poller.environment['POLL_NAME']}.json").unlink()
    left = 3 * 400 - held(poller)
    assert left > 0
    done = poller("produce", "--poll", "candles.toml", "--count", str(left))
    assert done.returncode == 0, done.stderr
    assert values(poller) == whole(400)


def test_news_come_as_they_are_made(poller, exchange):
    """It goes on asking, through an exchange that is away, and ends in order when it is told to."""
    exchange.hours = 5
    running = poller.start("produce", "--poll", "candles.toml")
    wait_for(partial(holds, poller, 15), what="what was there")
    exchange.faults = ["500"] * 3
    exchange.hours = 7
    wait_for(partial(holds, poller, 21), what="news")
    again = poller("produce", "--poll", "candles.toml")
    assert again.returncode == 1
    assert "runs already" in again.stderr
    running.process.terminate()
    assert running.finish() == 0, running.complained
    assert f"sent 21 events: {TOPIC} 21" in running.complained
    assert values(poller) == whole(7)


def test_a_proxy_of_the_environment_is_used(exchange, monkeypatch):
    """Unless the environment says that this host needs none."""
    exchange.hours = 1
    far = "http://exchange.invalid/candles?from=0"
    monkeypatch.setenv("http_proxy", exchange.url.removesuffix("/candles"))
    assert Web(far, 1.0).get(far, {}) == {"data": [[START_MS, "100"]]}
    monkeypatch.setenv("no_proxy", "exchange.invalid")
    with pytest.raises(Refused, match=r"^http://exchange.invalid/candles does not answer"):
        Web(far, 1.0).get(far, {})


def test_what_was_sent_is_read_back_from_the_topic_and_the_file(kafka, tmp_path):
    """By request, foreign records left out; the file of a topic that was made anew counts no more."""
    topic, file = Topic(unique("prices"), PriceEvent, key="symbol", time="time"), tmp_path / "poll.json"
    make_topic(kafka, topic.name, partitions=3)
    sender, server = Sender(Kafka(bootstrap_servers=kafka), Stop(), print), Kafka(bootstrap_servers=kafka)

    def send(symbol: str, day: int, endpoint: str | None) -> None:
        value = orjson.dumps({"symbol": symbol, "time": f"2026-01-0{day}T00:00:00Z", "value": 1.0})
        sender.send(topic.name, symbol.encode(), value, headers=[(HEADER, endpoint.encode())] if endpoint else None)
        sender.flush()

    def found() -> dict[str, tuple[int, set[str]]]:
        cursors = read_back(server, topic, file)
        save(cursors, file)
        days = {name: (c.time_us - START_MS * 1_000) // 86_400_000_000 + 1 for name, c in cursors.by_endpoint.items()}
        return {name: (days[name], c.keys) for name, c in cursors.by_endpoint.items()}

    assert found() == {}
    for symbol, day, endpoint in (("A", 1, "x"), ("B", 2, "x"), ("C", 2, "x"), ("D", 3, "y"), ("E", 9, None)):
        send(symbol, day, endpoint)
    fill(kafka, topic.name, [("A", b"{")])
    assert found() == found() == {"x": (2, {"B", "C"}), "y": (3, {"D"})}
    send("A", 4, "x")
    assert found() == {"x": (4, {"A"}), "y": (3, {"D"})}
    client = AdminClient({"bootstrap.servers": kafka})
    client.delete_topics([topic.name])[topic.name].result()
    wait_for(lambda: topic.name not in client.list_topics(timeout=10).topics, what="the topic to go")
    make_topic(kafka, topic.name, partitions=3)
    assert found() == {}
