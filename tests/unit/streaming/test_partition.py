"""The partition of a key; tests/integration/test_produce.py compares it with a real client's placement."""

import pytest

from streaming.partition import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_kafkas_own_examples(key, signed):
    """The hash equals the numbers in the tests of Kafka's Java client (UtilsTest.testMurmur2)."""
    assert murmur2(key) == signed % 2**32


def test_one_partition():
    """With one partition every key goes there."""
    assert {partition_of(bytes([n]), 1) for n in range(256)} == {0}


def test_spread():
    """Customers spread over all partitions."""
    assert {partition_of(f"C{n:09d}".encode(), 3) for n in range(60)} == {0, 1, 2}
