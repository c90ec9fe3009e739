"""What the platform's dashboard looks at: PostgreSQL, and the exporters of it, of Redis, of Kafka, of the machine."""

import datetime
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headrace.local import jars
from headrace.local.kafka import LocalKafka
from headrace.local.ports import LOOPBACK, free_port
from headrace.local.processes import Child
from headrace.local.prometheus import RULES
from headrace.local.server import LocalServer
from headrace.local.valkey import LocalValkey, find_valkey
from tests.programs import program

SCRAPES = Path(__file__).parent / "data" / "scrapes"
JMX = jars.Jar(
    "io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1",
    "7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1",
)
_BLACKBOX = "modules: {http_2xx: {prober: http, http: {tls_config: {insecure_skip_verify: true}}}}"


class Exporter(LocalServer):
    """One of Debian's: it takes the address to listen on as an option."""

    start_s = 30.0

    def __init__(self, name: str, folder: Path, *options: str, **environment: str) -> None:
        self.name, self.port = name, free_port()
        listen = f"--web.listen-address={self.address}"
        command = [program(f"prometheus-{name}-exporter"), listen, *options]
        self.child = Child(name, command, log=folder / f"{name}.log", environment=environment)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.port}"

    def reachable(self) -> bool:
        """It shows metrics."""
        return shown(f"http://{self.address}/metrics")


class LocalPostgres(LocalServer):
    """A server with one database; it refuses to run as root, so root runs it as nobody."""

    name = "PostgreSQL"
    start_s = 60.0

    def __init__(self) -> None:
        """In a folder of its own: tests' folders are closed to other users."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        ids = f"--reuid={_nobody().pw_uid}", f"--regid={_nobody().pw_gid}", "--clear-groups"
        self._other: list[str | Path] = ["setpriv", "--pdeathsig", "KILL", *ids] if os.geteuid() == 0 else []
        data, listen = self.folder / "data", ("-c", f"listen_addresses={LOOPBACK}", "-p", str(self.port))
        command = [*self._other, program("postgres"), "-D", data, *listen, "-k", self.folder, "-c", "fsync=off"]
        self.child = Child("postgres", command, log=self.folder / "postgres.log", folder=self.folder)

    @property
    def dsn(self) -> str:
        """For clients."""
        return f"host={LOOPBACK} port={self.port} user=postgres dbname=postgres sslmode=disable"

    def prepare(self) -> None:
        """Make the database."""
        if os.geteuid() == 0:
            os.chown(self.folder, _nobody().pw_uid, _nobody().pw_gid)
        make = [
            *self._other,
            program("initdb"),
            "-D",
            self.folder / "data",
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
        ]
        subprocess.run(make, cwd=self.folder, check=True, capture_output=True)

    def reachable(self) -> bool:
        """It takes connections: the file with its process id says so."""
        file = self.folder / "data" / "postmaster.pid"
        return file.exists() and file.read_text().splitlines()[-1].strip() == "ready"

    def stop(self) -> None:
        """And nothing stays behind."""
        super().stop()
        shutil.rmtree(self.folder)


@dataclass(frozen=True)
class Platform:
    """What our services stand on, each with its exporter."""

    broker: LocalKafka
    valkey: LocalValkey
    targets: dict[str, str]
    """What is to be scraped, by the job of `prometheus.yml`."""
    blackbox: str
    """The address of the exporter that looks at certificates."""


@contextmanager
def platform(home: Path) -> Iterator[Platform]:
    """All of it; MinIO's page is one that was kept."""
    broker, valkey_server = LocalKafka(home), find_valkey()
    assert valkey_server
    with ExitStack() as until:
        targets = {"kafka": watch_broker(broker), "minio": until.enter_context(saved("minio"))}
        until.enter_context(broker)
        valkey = until.enter_context(LocalValkey(home, valkey_server, free_port()))
        postgres = until.enter_context(LocalPostgres())
        watching = [
            Exporter("redis", home, f"--redis.addr={valkey.url}"),
            Exporter("postgres", home, DATA_SOURCE_NAME=postgres.dsn),
            Exporter("node", home),
        ]
        targets |= {exporter.name: until.enter_context(exporter).address for exporter in watching}
        targets["certificates"] = until.enter_context(certified(home))
        yield Platform(broker, valkey, targets, until.enter_context(blackbox(home)).address)


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def shown(url: str) -> bool:
    """Whether a page is there."""
    try:
        return urllib3.request("GET", url, retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def watch_broker(broker: LocalKafka) -> str:
    """Give a broker that does not run yet the JMX exporter, with the project's rules; the address that it will show."""
    address = f"{LOOPBACK}:{free_port()}"
    agent = f"-javaagent:{jmx_agent()}={address}:{RULES / 'kafka.yml'}"
    broker.child._environment = {**broker.child._environment, "JAVA_TOOL_OPTIONS": agent}
    return address


def jmx_agent() -> Path:
    """The exporter's jar, fetched once as the broker's are."""
    file = jars.cache_folder() / JMX.filename
    with jars._alone(file.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        if not jars._is_whole(file, JMX):
            with jars._trusting_the_system():
                jars._fetch(jars._maven(Path(scratch)), JMX, file.parent)
    return file


@contextmanager
def saved(name: str) -> Iterator[str]:
    """A page that shows what a real server of another kind has shown once, at every path; its address."""
    with _served((SCRAPES / f"{name}.prom").read_bytes()) as server:
        yield f"{LOOPBACK}:{server.server_address[1]}"


@contextmanager
def certified(folder: Path) -> Iterator[str]:
    """A page behind a certificate that is valid for thirty days; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    with _served(b"", context) as server:
        yield f"https://{LOOPBACK}:{server.server_address[1]}"


def blackbox(folder: Path) -> Exporter:
    """The exporter that looks at certificates; it trusts any."""
    file = folder / "blackbox.yml"
    file.write_text(_BLACKBOX)
    return Exporter("blackbox", folder, f"--config.file={file}")


@contextmanager
def _served(content: bytes, context: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer((LOOPBACK, 0), Page) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def _certificate(folder: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=30))
    signed = made.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "page.pem"
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file
