import json

from headrace.status import Newest, Record


def said(written=1.0, key="churn/0", **fields):
    return Record(key, json.dumps({"use_case": "churn", **fields}).encode(), written)


def events(newest):
    return [heard.status.events for heard in newest.heard()]


def test_the_newest_status_of_a_learner_counts():
    newest = Newest()
    newest.take([said(1.0, events=1), said(2.0, events=2)])
    assert events(newest) == [2]


def test_a_learner_that_was_overtaken_is_not_heard():
    newest = Newest()
    newest.take([said(1.0, epoch=7, events=1), said(2.0, epoch=6, events=99)])
    assert events(newest) == [1]


def test_a_lower_epoch_counts_when_the_higher_one_is_long_silent():
    newest = Newest()
    newest.take([said(1.0, epoch=7, events=1), said(60.0, epoch=1, events=5)])
    assert events(newest) == [5]


def test_a_tombstone_removes_and_nonsense_is_passed_over():
    newest = Newest()
    newest.take([said(events=1), Record("churn/0", b"no json", 2.0), Record("other", None, 2.0)])
    assert events(newest) == [1]
    newest.take([Record("churn/0", None, 3.0)])
    assert newest.heard() == []


def test_fields_that_we_do_not_know_and_numbers_that_are_null_are_fine():
    newest = Newest()
    newest.take([said(lag=None, checkpoint_age_s=None, champion=None, tomorrow=[1], candidates={"a": {"F1": None}})])
    assert newest.heard()[0].status.candidates == {"a": {"F1": None}}


def test_learners_come_in_the_order_of_their_keys():
    newest = Newest()
    newest.take([said(key="plan/0", use_case="plan"), said(key="churn/1", shard="1"), said(key="churn/0")])
    assert [(heard.status.use_case, heard.status.shard) for heard in newest.heard()] == [
        ("churn", "0"),
        ("churn", "1"),
        ("plan", "0"),
    ]


def test_the_rate_is_that_of_one_claim_and_smooth():
    newest = Newest()
    newest.take([said(1.0, events=0), said(2.0, events=100)])
    assert newest.heard()[0].events_per_s == 100
    newest.take([said(3.0, events=100)])
    assert newest.heard()[0].events_per_s == 70
    newest.take([said(4.0, epoch=1, events=200)])
    assert newest.heard()[0].events_per_s is None


def test_what_the_archive_says_is_no_learner():
    newest = Newest()
    newest.take([said(), Record("archive/a", b'{"topic": "a", "rows": 3, "lag": null, "use_case": "a"}', 1.0)])
    assert len(newest.heard()) == 1
    (heard,) = newest.archives()
    assert (heard.archived.topic, heard.archived.rows, heard.archived.lag) == ("a", 3, None)


def test_a_tombstone_and_nonsense_of_the_archive_too():
    newest = Newest()
    newest.take([Record("archive/a", b'{"topic": "a"}', 1.0), Record("archive/b", b"no json", 1.0)])
    assert len(newest.archives()) == 1
    newest.take([Record("archive/a", None, 2.0)])
    assert newest.archives() == []
