"""A member of a group whose place was given away says so and ends; it must not wait for ever."""

import pytest

from streaming.archive_group import Group
from streaming.errors import HeadraceError
from streaming.kafka import ensure_topics
from streaming.settings import Kafka
from tests.support import unique, wait_for
from trainer.seat import Seats


def test_a_trainer_whose_name_another_one_takes_ends_with_a_sentence(kafka):
    reached, name = Kafka(bootstrap_servers=kafka), unique("uc")
    ensure_topics(reached, [name])
    first = seats(reached, name)

    def held() -> bool:
        first.poll(0.1)
        return bool(first.held)

    wait_for(held, what="the seat")
    second = seats(reached, name)

    def fenced() -> bool:
        second.poll(0.1)
        first.poll(0.1)
        return False

    with pytest.raises(HeadraceError, match="HEADRACE_INSTANCE"):
        wait_for(fenced, what="the end of the first")
    first.leave()
    second.leave()


def seats(kafka: Kafka, name: str) -> Seats:
    """A copy with the name that the other one has."""
    return Seats(kafka, name, name, "same", give_back=lambda _: None, lose=lambda _: None)


def test_an_archive_whose_name_another_one_takes_ends_with_a_sentence(kafka):
    reached, name = Kafka(bootstrap_servers=kafka), unique("topic")
    ensure_topics(reached, [name])
    first, second = (Group(reached, [name], "same", give_back=lambda: None) for _ in range(2))
    first.join()

    def assigned() -> bool:
        first.poll()
        return first.assigned is not None

    wait_for(assigned, what="the partitions")
    second.join()

    def fenced() -> bool:
        second.poll()
        first.poll()
        return False

    with pytest.raises(HeadraceError, match="HEADRACE_INSTANCE"):
        wait_for(fenced, what="the end of the first")
    first.leave()
    second.leave()
