"""What Headrace's promises rest on, on every kind of store: of two puts, claims or commits one wins."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace.local.s3 import LocalS3
from streaming.archive import Table, storage_options
from streaming.archive_index import scan
from streaming.checkpoints import Checkpoints
from streaming.errors import Fenced, Unavailable
from streaming.store import Store
from tests.faulty_s3 import FaultyS3, How
from tests.stores import Place, make_place, minio, s3  # noqa: F401  # fixtures

KEY = b"k"
SCHEMA = pl.Schema({"_partition": pl.Int32(), "_offset": pl.Int64(), "_date": pl.Date()})


@pytest.fixture(params=["folder", "seaweedfs", "minio"])
def place(request, tmp_path, monkeypatch) -> Place:
    """Each kind of store in turn, reachable from this process."""
    found = make_place(request.param, request, tmp_path / "store")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


def both(action: Callable[[int], bool]) -> list[bool]:
    """Two at the same moment."""
    gate = threading.Barrier(2)

    def run(number: int) -> bool:
        gate.wait()
        return action(number)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_of_two_puts_of_one_object_one_wins(place):
    """At the same moment, and later; what is read back is the winner's."""
    stores = [Store(place.url), Store(place.url)]
    for number in range(20):
        name = f"race/{number}"

        def puts(who: int, name: str = name) -> bool:
            return stores[who].put_new(name, f"by {who}".encode())

        won = both(puts)
        assert sorted(won) == [False, True]
        assert stores[0].get(name) == f"by {won.index(True)}".encode()
        assert not stores[0].put_new(name, b"too late")
    assert len(stores[1].names("race")) == 20


def checkpoints(url: str) -> Checkpoints:
    return Checkpoints(Store(url), "churn", "0", KEY)


def put(writer: Checkpoints, text: bytes) -> None:
    writer.put(writer.sealer({})(text))


def test_of_two_claims_one_holds_and_who_was_claimed_over_writes_no_more(place):
    """Also after so many checkpoints that the number it would take has been pruned."""
    for number in range(5):
        writers = [checkpoints(place.url), checkpoints(place.url)]

        def claims(who: int, writers: list[Checkpoints] = writers) -> bool:
            try:
                writers[who].claim(lambda stored: stored.content)
                put(writers[who], f"{who}".encode())
            except Fenced:
                return False
            return True

        held = both(claims)
        assert any(held), number
    sleeper = checkpoints(place.url)
    sleeper.claim(lambda stored: stored.content)
    put(sleeper, b"before")
    successor = checkpoints(place.url)
    assert successor.claim(lambda stored: stored.content).state == b"before"
    for number in range(5):
        put(successor, f"after {number}".encode())
    with pytest.raises(Fenced, match="has taken over"):
        put(sleeper, b"late")
    assert checkpoints(place.url).claim(lambda stored: stored.content).state == b"after 4"


def test_of_two_commits_that_overlap_one_is_in_the_table(place):
    """At the same moment; the other one is fenced, at its first commit or by the check before its next."""
    last = -1
    for _ in range(3):
        tables = [Table(place.url, "t", SCHEMA, keep_h=168) for _ in range(2)]
        ends = [last + 10, last + 7]
        for table in tables:
            assert table.own("id", [0]) == {0: None if last < 0 else last}

        def commits(who: int, tables: list[Table] = tables, first: int = last + 1, ends: list[int] = ends) -> bool:
            rows = [{"_partition": 0, "_offset": offset, "_date": None} for offset in range(first, ends[who] + 1)]
            for _ in range(3):
                try:
                    tables[who].append(pl.DataFrame(rows, schema=SCHEMA), {0: ends[who]})
                except Unavailable:
                    continue  # refused: the next try finds out why
                except Fenced:
                    return False
                return True
            raise AssertionError("neither in nor fenced")

        won = both(commits)
        assert sorted(won) == [False, True]
        last = ends[won.index(True)]
    options = storage_options(tables[0].url)
    files = DeltaTable(tables[0].url, storage_options=options).file_uris()
    found = pl.concat(scan(file, dict(SCHEMA), options).collect() for file in files)  # as a replay reads them
    assert sorted(found.get_column("_offset").to_list()) == list(range(last + 1))


# Through a bad network


@pytest.fixture
def bad_s3(s3: LocalS3, monkeypatch):  # noqa: F811  # the fixture
    """A way to the server on which everything may happen."""
    with FaultyS3(s3) as proxy:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        yield proxy


def patiently(action: Callable[[], None]) -> int:
    """As the saver does: the same again after `Unavailable`; tells how often it had to."""
    for tries in range(20):
        try:
            action()
        except Unavailable:
            continue
        return tries
    raise AssertionError("never")


@pytest.mark.parametrize("how", ["lose answer", "deny", "lose request", "refuse", "delay"])
def test_a_checkpoint_whose_put_is_disturbed_is_stored_once_and_fences_nobody(bad_s3, s3, how: How, tmp_path):  # noqa: F811
    """Above all one that landed though its answer was lost or was an error."""
    url = s3.url(f"disturbed-{tmp_path.name}")
    writer = checkpoints(url)
    writer.claim(lambda stored: stored.content)
    for number in range(3):
        bad_s3.fail(how, part=".ckpt")
        sealed = writer.sealer({})(f"state {number}".encode())
        patiently(partial(writer.put, sealed))
    assert bad_s3.happened[how] == 3
    assert writer.next_number == 5
    assert len(Store(url).names("checkpoints/churn/0")) == 4
    assert checkpoints(url).claim(lambda stored: stored.content).state == b"state 2"


def test_in_foul_weather_every_checkpoint_arrives_in_the_end(bad_s3, s3, tmp_path):  # noqa: F811
    """Listing, reading, pruning and claiming fail as well."""
    url = s3.url(f"weather-{tmp_path.name}")
    bad_s3.weather(lose_answer=0.15, deny=0.15, lose_request=0.1, refuse=0.1, cut=0.1)
    for start in range(0, 15, 5):
        writer = checkpoints(url)
        found: list[bytes | None] = []

        def claim(writer: Checkpoints = writer, found: list[bytes | None] = found) -> None:
            found.append(writer.claim(lambda stored: stored.content).state)

        patiently(claim)
        assert found[-1] == (f"state {start - 1}".encode() if start else None)
        for number in range(start, start + 5):
            sealed = writer.sealer({})(f"state {number}".encode())
            patiently(partial(writer.put, sealed))
    bad_s3.weather()
    assert checkpoints(url).claim(lambda stored: stored.content).state == b"state 14"
    assert sum(bad_s3.happened.values()) > 10


def test_a_store_that_is_away_is_given_up_within_seconds(bad_s3, s3):  # noqa: F811
    """The next try is the caller's to make: a client that tries for minutes would hold up an orderly end."""
    bad_s3.weather(lose_request=1.0)
    with pytest.raises(Unavailable, match=r"away/x cannot be written"):
        Store(s3.url("away")).put_new("x", b"x")
    assert 1 < bad_s3.happened["lose request"] < 6
