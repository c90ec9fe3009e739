"""Kafka's absence in the log, by what its clients tell of themselves."""

from structlog.testing import capture_logs

from streaming.kafka_statistics import Contact


def test_each_change_is_said_once():
    """Neither a start without a broker nor one broker of several is a change."""
    contact = Contact()
    with capture_logs() as said:
        for brokers_up in (0, 3, 2, 0, 0, 0, 1, 3):
            contact.look(brokers_up)
    assert [(line["log_level"], line["event"].split(":")[0]) for line in said] == [
        ("warning", "Kafka is away"),
        ("info", "Kafka is there again"),
    ]
