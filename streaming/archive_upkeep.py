"""Upkeep of the archive's tables on a thread: small files put together, the log shortened, dead files deleted.

Each step is a commit of its own through a handle of its own, and removes nothing that the newest version still names.
None of them carries a `txn`, and the log checkpoint keeps those there are: who archives is not disturbed.

Why no row is doubled. delta-rs lets two compactions of the same files both succeed, if they began at one version: each
row would then be there twice. What it does refuse is a commit whose table got other properties meanwhile. So a keeper
signs the table, a property with a name of its own, before it compacts, and compacts from the version that bears its
name. Another keeper that was in the middle of it, perhaps stopped for hours, is refused: the signature came in between.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable

import structlog
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError, TableNotFoundError

from streaming import metrics
from streaming.archive import storage_options
from streaming.archive_index import BLOCK_ROWS
from streaming.failpoints import failpoint
from streaming.settings import Settings

log = structlog.get_logger()

_TARGET_BYTES = 64_000_000
_PATIENCE_S = 8.0
_LOOK_S = 5.0
_KEEPER = "headrace.keeper"


def compact(url: str, keeper: str) -> int:
    """Put small files together and write a log checkpoint; how many files fewer there are.

    `keeper` is a name that nobody else uses. Of two that compact at one time one fails with `CommitFailedError`.
    """
    table = DeltaTable(url, storage_options=storage_options(url))
    if table.metadata().configuration.get(_KEEPER) != keeper:
        table.alter.set_table_properties({_KEEPER: keeper}, raise_if_not_exists=False)
    with failpoint("compact-table"):
        done = table.optimize.compact(
            target_size=_TARGET_BYTES,
            max_concurrent_tasks=1,
            writer_properties=WriterProperties(max_row_group_size=BLOCK_ROWS, compression="ZSTD"),
        )
    if done["numFilesRemoved"]:
        table.create_checkpoint()
    return int(done["numFilesRemoved"] - done["numFilesAdded"])


def vacuum(url: str, keep_h: int) -> int:
    """Delete files that no version of the last `keep_h` hours names; how many."""
    table = DeltaTable(url, storage_options=storage_options(url))
    return len(table.vacuum(retention_hours=keep_h, dry_run=False, enforce_retention_duration=False, full=True))


class Upkeep:
    """Looks after the tables that `urls` names at the time, one after the other."""

    def __init__(self, settings: Settings, urls: Callable[[], Iterable[str]]) -> None:
        """Start the thread."""
        self._settings, self._urls = settings, urls
        self._keeper = uuid.uuid4().hex
        self._stop = threading.Event()
        self._vacuumed = -settings.archive_vacuum_every_s
        self._shown: set[str] = set()
        """Tables whose files have been counted."""
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the step in hand finish, for a while: one that is cut short has changed nothing."""
        self._stop.set()
        self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        every_s = self._settings.archive_compact_every_s
        turn_s = time.monotonic() + every_s
        while not self._stop.wait(min(_LOOK_S, every_s)):
            for url in set(self._urls()) - self._shown:
                self._look_at(url)
            if time.monotonic() < turn_s:
                continue
            vacuums = time.monotonic() - self._vacuumed >= self._settings.archive_vacuum_every_s
            for url in self._urls():
                self._look_after(url, vacuums=vacuums)
            if vacuums:
                self._vacuumed = time.monotonic()
            turn_s = time.monotonic() + every_s

    def _look_at(self, url: str) -> None:
        """Show how many files there are before the first compaction; a store that is away is seen by the commits."""
        with contextlib.suppress(DeltaError, OSError, ValueError):
            self._count(url)

    def _count(self, url: str) -> None:
        files = len(DeltaTable(url, storage_options=storage_options(url)).file_uris())
        metrics.ARCHIVE_FILES.labels(_topic(url)).set(files)
        self._shown.add(url)

    def _look_after(self, url: str, *, vacuums: bool) -> None:
        """A step that fails (the store is away, another copy was faster) is left to the next turn."""
        topic = _topic(url)
        try:
            fewer = compact(url, self._keeper)
            self._count(url)
            deleted = vacuum(url, self._settings.archive_keep_h) if vacuums and not self._stop.is_set() else 0
        except TableNotFoundError:
            return
        except (DeltaError, OSError, ValueError) as error:
            metrics.ARCHIVE_UPKEEP_FAILURES.labels(topic).inc()
            log.warning("upkeep is left to the next turn", table=url, reason=str(error).split("\n")[0])
            return
        metrics.ARCHIVE_COMPACTIONS.labels(topic).inc()
        if fewer or deleted:
            log.info("tidied up", table=url, files_fewer=fewer, files_deleted=deleted)


def _topic(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]
