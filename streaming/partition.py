"""The partition of a key, as Kafka's own clients choose it."""

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(key: bytes) -> int:
    """The 32 bits of MurmurHash2 with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2), unsigned.

    >>> [murmur2(key) for key in (b"21", b"foobar", b"a-little-bit-long-string")]
    [3321034988, 3504634814, 3308985760]
    """
    length = len(key)
    whole = length & ~3
    h = (0x9747B28C ^ length) & _MASK
    for at in range(0, whole, 4):
        k = (int.from_bytes(key[at : at + 4], "little") * _M) & _MASK
        h = ((h * _M) & _MASK) ^ (((k ^ (k >> 24)) * _M) & _MASK)
    if whole < length:
        h = ((h ^ int.from_bytes(key[whole:], "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Where a keyed record goes: Java's default partitioner and librdkafka's `murmur2_random`.

    >>> [partition_of(key, 3) for key in (b"C000000001", b"C000000003", b"C000000004")]
    [0, 2, 0]
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions
