"""Log lines in the form that is set."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from streaming.logs import set_up_logs
set_up_logs("{form}", service="archive")
structlog.contextvars.bind_contextvars(request_id="r")
structlog.get_logger().info("archiving", partitions={{"telecom.usage": [0, 1]}}, place=object)
logging.getLogger("somebody").warning("look %s", "here")
logging.getLogger("somebody").info("nobody wants to know")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("it failed")
"""


def lines(form):
    """What a process of its own writes."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_lines_bear_their_context():
    """Each line is one object, those of libraries and of failures too."""
    ours, theirs, failure = map(json.loads, lines("json"))
    assert (ours["event"], ours["level"], ours["service"], ours["request_id"]) == ("archiving", "info", "archive", "r")
    assert ours["partitions"] == {"telecom.usage": [0, 1]}
    assert (theirs["event"], theirs["level"], theirs["service"]) == ("look here", "warning", "archive")
    assert "ZeroDivisionError" in failure["exception"]
    assert all(line["timestamp"].endswith("Z") for line in (ours, theirs, failure))


def test_text_is_for_people():
    """No object in sight, and no colors in a file."""
    first = lines("text")[0]
    assert "archiving" in first
    assert "service" not in first
    assert "\x1b" not in first


def test_a_second_setting_up_replaces_our_own_handler_alone():
    """What others have hung on the root stays."""
    program = """
import logging
from streaming.logs import set_up_logs
theirs = logging.NullHandler()
logging.getLogger().addHandler(theirs)
set_up_logs()
set_up_logs("json")
print(len(logging.getLogger().handlers), theirs in logging.getLogger().handlers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2 True\n"


def test_requests_that_are_not_http_write_no_lines():
    """Strangers could fill the disk with them; what else uvicorn warns of is told."""
    program = """
import logging, socket, threading, uvicorn
from streaming.logs import set_up_logs
set_up_logs("json")

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, lifespan="off"))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
thread.start()
upgrade = b"GET / HTTP/1.1\\r\\nConnection: upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n"
for request in (b"NONSENSE\\r\\n\\r\\n", upgrade):
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(request)
        print(client.recv(12).decode())
server.should_exit = True
thread.join()
logging.getLogger("uvicorn.error").warning("Exceeded concurrency limit.")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["HTTP/1.1 400", "HTTP/1.1 204"]
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["Exceeded concurrency limit."]
