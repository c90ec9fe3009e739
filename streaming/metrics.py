"""Every Prometheus instrument: name, labels, unit, what it means, what to do about it. `docs/metrics.md` is made of it.

Nothing is observed per event: the loops put numbers down once a batch or once a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter that nobody reads

TRAINER, ARCHIVE, API, EVERY = "trainer", "archive", "api", "every service"


@dataclass(frozen=True)
class Instrument:
    """One declaration. A counter's name ends in `_total`, a histogram has `_bucket`, `_sum` and `_count`."""

    service: str
    """Who shows it."""
    name: str
    kind: str
    """counter, gauge or histogram."""
    labels: tuple[str, ...]
    unit: str
    meaning: str
    act: str
    """What to do about it."""

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query can use."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{end}" for end in ("bucket", "sum", "count"))

    def family(self, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
        """The values at the moment of a scrape, by their labels: what is gone leaves no series behind."""
        family = GaugeMetricFamily(self.name, f"{self.meaning} {self.act}", labels=self.labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


INSTRUMENTS: dict[str, Instrument] = {}
"""By name, in the order of the declarations."""


def _declare(  # one argument for each column of the page
    service: str, name: str, kind: str, labels: tuple[str, ...], unit: str, meaning: str, act: str
) -> tuple[Instrument, dict[str, Any]]:
    if name in INSTRUMENTS:
        raise ValueError(f"{name} is declared twice")
    made = INSTRUMENTS[name] = Instrument(service, name, kind, labels, unit, meaning, act)
    return made, {"name": name, "documentation": f"{meaning} {act}", "labelnames": labels}


def _counter(service: str, name: str, labels: tuple[str, ...], unit: str, meaning: str, act: str) -> Counter:
    return Counter(**_declare(service, name, "counter", labels, unit, meaning, act)[1])


def _gauge(service: str, name: str, labels: tuple[str, ...], unit: str, meaning: str, act: str) -> Gauge:
    """Of several workers of the API the greatest is shown, and of what is in flight the sum.

    One without labels stands at 0 from the start, so who sets it has to register it: others must not show it.
    """
    made = _declare(service, name, "gauge", labels, unit, meaning, act)[1]
    return Gauge(**made, multiprocess_mode="livemax" if labels else "livesum", registry=REGISTRY if labels else None)


def _histogram(  # as above, and the buckets
    service: str, name: str, labels: tuple[str, ...], buckets: tuple[float, ...], meaning: str, act: str
) -> Histogram:
    return Histogram(**_declare(service, name, "histogram", labels, "seconds", meaning, act)[1], buckets=buckets)


def _told(service: str, name: str, labels: tuple[str, ...], unit: str, meaning: str, act: str) -> Instrument:
    """A gauge that is made up at each scrape, from what is known then."""
    return _declare(service, name, "gauge", labels, unit, meaning, act)[0]


_CASE, _SHARD = ("use_case",), ("use_case", "shard")
_SHARD_TOPIC, _CANDIDATE = (*_SHARD, "topic"), (*_SHARD, "candidate")
_TOPIC = ("topic",)
_CLIENT = ("client",)
_QUICK = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# What comes in.
CONSUMED = _counter(
    TRAINER,
    "headrace_consumed_total",
    _SHARD_TOPIC,
    "records",
    "Records that the learner has passed since it began here: used, dead or meant for another use case.",
    "Flat while the lag grows: the trainer is stuck, read its log.",
)
EVENTS = _counter(
    TRAINER,
    "headrace_events_total",
    _SHARD,
    "events",
    "Events that the use case's handlers have used.",
    "Flat while records are consumed: all of them are dead letters, see headrace_dead_total.",
)
LATE = _counter(
    TRAINER,
    "headrace_late_total",
    _SHARD_TOPIC,
    "events",
    "Events that came after their moment had been learned; they were used all the same.",
    "Many: a producer is slow or its clock is wrong; HEADRACE_MERGE_WAIT_S lets the others wait longer.",
)
DEAD = _counter(
    TRAINER,
    "headrace_dead_total",
    (*_SHARD_TOPIC, "reason"),
    "records",
    "Dead letters by reason: record (it satisfies no schema, or its time is impossible) or handler (the use case).",
    "`headrace deadletters TOPIC` shows them with their reasons, and sends them back once that is mended.",
)
LAG = _gauge(
    TRAINER,
    "headrace_lag_records",
    _SHARD_TOPIC,
    "records",
    "Records that Kafka holds and the learner has not used.",
    "Growing: the candidates are too slow for the traffic. Leave the dearest out, or shard the use case.",
)
LAG_SECONDS = _gauge(
    TRAINER,
    "headrace_lag_seconds",
    _SHARD,
    "seconds",
    "How long the oldest record that was fetched and not used has been in Kafka; 0 when none waits.",
    "As headrace_lag_records.",
)
EVENT_TIME = _gauge(
    TRAINER,
    "headrace_event_time_seconds",
    _SHARD,
    "seconds since 1970",
    "The learner's clock: the time of its events.",
    "It stands still while events come: one partition is waited for, or the events bear one time.",
)

# Learning.
LEARNED = _counter(
    TRAINER,
    "headrace_learned_total",
    _SHARD,
    "examples",
    "Examples that every candidate has learned.",
    "Flat while events come: no labels arrive, see headrace_answers_total and headrace_pending.",
)
QUESTIONS = _counter(
    TRAINER,
    "headrace_questions_total",
    _SHARD,
    "questions",
    "Predictions that were due.",
    "Flat while events come: the use case asks nothing any more; look at its events.",
)
ANSWERS = _counter(
    TRAINER,
    "headrace_answers_total",
    _SHARD,
    "answers",
    "Labels that came.",
    "Flat while questions come: whoever sends the labels has stopped.",
)
PENDING = _gauge(
    TRAINER,
    "headrace_pending",
    _SHARD,
    "questions",
    "Questions that wait for their answer.",
    "Growing for longer than the horizon: the labels bear other ids or keys than the questions.",
)
EXPIRED = _counter(
    TRAINER,
    "headrace_expired_total",
    _SHARD,
    "questions",
    "Questions whose horizon passed without an answer, or that went because there were too many.",
    "Normal where no answer means something; else labels are lost or the horizon is too short.",
)
DUPLICATES = _counter(
    TRAINER,
    "headrace_duplicates_total",
    _SHARD,
    "events",
    "Questions and answers that were there before: not learned.",
    "Many: a producer sends everything twice.",
)
UNASKED = _counter(
    TRAINER,
    "headrace_unasked_total",
    _SHARD,
    "answers",
    "Answers without a question: not learned.",
    "Many: labels come after the horizon, or bear other ids than the questions.",
)
EVICTED = _counter(
    TRAINER,
    "headrace_profiles_evicted_total",
    _SHARD,
    "profiles",
    "Profiles that went because there were too many.",
    "Keys that come back begin anew: raise the use case's most_profiles, if there is memory.",
)
LABEL_DELAY = _counter(
    TRAINER,
    "headrace_label_delay_seconds_total",
    _SHARD,
    "seconds",
    "Event time from question to answer, added up; divided by headrace_joined_total it is the mean delay.",
    "Longer than usual: what is learned is old; look at the source of the labels.",
)
JOINED = _counter(
    TRAINER,
    "headrace_joined_total",
    _SHARD,
    "answers",
    "Answers that found an open question.",
    "Falling against headrace_answers_total: see headrace_unasked_total.",
)
METRIC = _gauge(
    TRAINER,
    "headrace_metric",
    (*_CANDIDATE, "metric", "window"),
    "the metric's own",
    "Each metric of each candidate, over its life (window life) and over the last answers (window rolling).",
    "The champion's rolling value worse than its life: the world has changed, or the inputs are broken.",
)
SERVED_METRIC = _gauge(
    TRAINER,
    "headrace_served_metric",
    (*_SHARD, "metric", "window"),
    "the metric's own",
    "The metric over the predictions of whoever was champion when they were asked for, pins aside.",
    "Worse than the best candidate's: the champion changes too late or too often; see the use case's window.",
)
BETTER = _gauge(
    TRAINER,
    "headrace_metric_bigger_is_better",
    (*_SHARD, "metric"),
    "1 or 0",
    "The metric that chooses the champion, and whether more of it is better.",
    "For queries over use cases.",
)
CHAMPION = _gauge(
    TRAINER,
    "headrace_champion_info",
    _CANDIDATE,
    "1 or 0",
    "1 for the best candidate by the rolling metric.",
    "It changes often: the candidates are equally good; nothing has to be done.",
)
CHAMPION_CHANGES = _counter(
    TRAINER,
    "headrace_champion_changes_total",
    _SHARD,
    "changes",
    "How often another candidate became champion.",
    "Many an hour: the window is too short to tell the candidates apart.",
)
DRIFTS = _counter(
    TRAINER,
    "headrace_drifts_total",
    _CANDIDATE,
    "detections",
    "How often ADWIN found that a candidate has begun to err more.",
    "All candidates at once: the world or the inputs have changed, look at the events. One alone: it does not follow.",
)
FAILED = _gauge(
    TRAINER,
    "headrace_candidate_failed",
    _CANDIDATE,
    "1 or 0",
    "1 for a candidate that raised, and rests since.",
    "The API's /v1/USE_CASE/metrics tells the reason; mend the candidate, it then starts fresh.",
)
CANDIDATE_SECONDS = _counter(
    TRAINER,
    "headrace_candidate_seconds_total",
    _CANDIDATE,
    "seconds",
    "Time that one candidate took for the events that were timed: those of one moment a second.",
    "Divided by headrace_candidate_timed_total it is the time for an event: leave out what is too dear.",
)
CANDIDATE_TIMED = _counter(
    TRAINER,
    "headrace_candidate_timed_total",
    _CANDIDATE,
    "steps",
    "Predictions and lessons that were timed.",
    "See headrace_candidate_seconds_total.",
)
CANDIDATE_BYTES = _gauge(
    TRAINER,
    "headrace_candidate_bytes",
    _CANDIDATE,
    "bytes",
    "Size of a candidate's pickle, measured once a minute beside a checkpoint.",
    "Growing for ever: some of River's models have no bound; give it one, or leave it out.",
)
SEATS = _gauge(
    TRAINER,
    "headrace_seats",
    _CASE,
    "shards",
    "Shards that this trainer learns; 0: it stands by.",
    "No trainer of a use case has one: nobody learns; read their logs.",
)
TRAINING = _gauge(
    TRAINER,
    "headrace_training_enabled",
    _SHARD,
    "1 or 0",
    "Whether the trainer learns, as the switch says.",
    "0 and nobody knows why: `headrace training USE_CASE on`; headrace.audit tells who has switched.",
)

# What the trainer keeps and publishes.
CHECKPOINTS = _counter(
    TRAINER,
    "headrace_checkpoints_total",
    _SHARD,
    "checkpoints",
    "Checkpoints that are in the store.",
    "Flat while events are learned: see headrace_checkpoint_failures_total.",
)
CHECKPOINT_FAILURES = _counter(
    TRAINER,
    "headrace_checkpoint_failures_total",
    _SHARD,
    "checkpoints",
    "Checkpoints that could not be made in time, or not stored at the first try.",
    "Look at the object store and the log; nothing is lost, a restart would learn again from the last one.",
)
CHECKPOINT_REFUSED = _gauge(
    TRAINER,
    "headrace_checkpoint_refused",
    _SHARD,
    "checkpoints",
    "Checkpoints that were passed over at the start.",
    "Find out who writes to the store, or whose HEADRACE_SIGNING_KEY differs.",
)
CHECKPOINT_TIME = _gauge(
    TRAINER,
    "headrace_checkpoint_time_seconds",
    _SHARD,
    "seconds since 1970",
    "When the newest one was stored.",
    "Long ago while events are learned: a crash now would repeat all since then; look at the store.",
)
CHECKPOINT_SECONDS = _gauge(
    TRAINER,
    "headrace_checkpoint_seconds",
    _SHARD,
    "seconds",
    "From the fork to the stored object, for the newest one.",
    "Near HEADRACE_CHECKPOINT_DEADLINE_S: the state is too large, or the store too slow.",
)
CHECKPOINT_PAUSE = _gauge(
    TRAINER,
    "headrace_checkpoint_pause_seconds",
    _SHARD,
    "seconds",
    "How long learning stood still for the newest one.",
    "Over a tenth of a second: the process has much memory; candidates or profiles should keep less.",
)
CHECKPOINT_BYTES = _gauge(
    TRAINER,
    "headrace_checkpoint_bytes",
    _SHARD,
    "bytes",
    "Size of the newest one as it is stored.",
    "Growing for ever: set most_profiles or most_open, or leave out a candidate that grows.",
)
SNAPSHOTS = _counter(
    TRAINER,
    "headrace_snapshots_total",
    _SHARD,
    "snapshots",
    "Models that were published for serving.",
    "Flat while examples are learned: see headrace_snapshot_failures_total.",
)
SNAPSHOT_FAILURES = _counter(
    TRAINER,
    "headrace_snapshot_failures_total",
    _SHARD,
    "snapshots",
    "Snapshots that were not made or not published.",
    "Look at the object store and Kafka; the next one follows by itself.",
)
SNAPSHOT_BYTES = _gauge(
    TRAINER,
    "headrace_snapshot_bytes",
    _SHARD,
    "bytes",
    "Size of the champion's newest snapshot as it is stored.",
    "A large one is published and loaded seldom: every answer then tells a greater age.",
)
VIEWS_WAITING = _gauge(
    TRAINER,
    "headrace_views_waiting",
    _SHARD,
    "keys",
    "Keys whose changed features are not published yet.",
    "Growing: Redis (or Kafka) is away or too slow, and serving answers by old features.",
)
MLFLOW_UP = _gauge(
    TRAINER,
    "headrace_mlflow_up",
    _SHARD,
    "1 or 0",
    "Whether MLflow answered the last visit.",
    "0: curves and versions wait and nothing else; see to MLflow within the hour.",
)
MLFLOW_WAITING = _gauge(
    TRAINER,
    "headrace_mlflow_waiting_points",
    _SHARD,
    "points",
    "Points of the curves that MLflow has not taken yet.",
    "At 720 the oldest are left out.",
)
MLFLOW_RUN = _gauge(
    TRAINER,
    "headrace_mlflow_run_info",
    (*_CANDIDATE, "experiment", "run"),
    "1",
    "The MLflow run that a candidate's curves go to, by MLflow's ids: one of each candidate for a learner's life.",
    "For links to MLflow's pages.",
)
REGISTRATION_PENDING = _gauge(
    TRAINER,
    "headrace_registration_pending",
    _SHARD,
    "1 or 0",
    "A snapshot is worth a version and not registered yet.",
    "For long: MLflow is away, or no checkpoint covers the snapshot.",
)
REGISTRATIONS = _counter(
    TRAINER,
    "headrace_registrations_total",
    _SHARD,
    "versions",
    "Versions that were registered in MLflow.",
    "Flat for longer than HEADRACE_REGISTER_MAX_AGE_S while examples are learned: see headrace_mlflow_up.",
)
MLFLOW_FAILURES = _counter(
    TRAINER,
    "headrace_mlflow_failures_total",
    _SHARD,
    "visits",
    "Visits to MLflow that failed.",
    "The log tells why, once for each time that it goes away.",
)

SIGNING_KEY_TIME = _told(
    TRAINER,
    "headrace_signing_key_time_seconds",
    (),
    "seconds since 1970",
    "When the file of the signing key was made; nothing where HEADRACE_SIGNING_KEY is set: nobody knows its age.",
    "Over a year ago: make another one, see docs/security.md.",
)

# The archive.
ARCHIVE_ROWS = _gauge(
    ARCHIVE,
    "headrace_archive_rows",
    _TOPIC,
    "rows",
    "Rows of the table.",
    "Smaller than before: somebody has deleted.",
)
ARCHIVE_WRITTEN = _counter(
    ARCHIVE,
    "headrace_archive_written_total",
    _TOPIC,
    "rows",
    "Rows that this archive has committed.",
    "Flat while the lag grows: see headrace_archive_failures_total.",
)
ARCHIVE_COMMITS = _counter(
    ARCHIVE,
    "headrace_archive_commits_total",
    _TOPIC,
    "commits",
    "Commits to the table.",
    "Many with few rows each: raise HEADRACE_ARCHIVE_EVERY_S.",
)
ARCHIVE_FAILURES = _counter(
    ARCHIVE,
    "headrace_archive_failures_total",
    _TOPIC,
    "commits",
    "Commits that failed and are tried again.",
    "Look at the object store and the log; Kafka keeps the records meanwhile, as long as its retention.",
)
ARCHIVE_COMMIT_SECONDS = _histogram(
    ARCHIVE,
    "headrace_archive_commit_seconds",
    _TOPIC,
    _SLOW,
    "Time of one commit, dead letters included.",
    "Growing: the table has too many files (see headrace_archive_files) or the store is slow.",
)
ARCHIVE_DEAD = _counter(
    ARCHIVE,
    "headrace_archive_dead_total",
    _TOPIC,
    "records",
    "Records that fit no row: dead letters.",
    "`headrace deadletters TOPIC` shows them.",
)
ARCHIVE_WAITING = _gauge(
    ARCHIVE,
    "headrace_archive_waiting_rows",
    _TOPIC,
    "rows",
    "Rows that were read and are not committed yet.",
    "Above HEADRACE_ARCHIVE_ROWS: a commit fails.",
)
ARCHIVE_WAITING_SECONDS = _gauge(
    ARCHIVE,
    "headrace_archive_waiting_seconds",
    _TOPIC,
    "seconds",
    "How long the oldest of these has waited.",
    "Far above HEADRACE_ARCHIVE_EVERY_S: a commit fails or takes too long.",
)
ARCHIVE_LAG = _gauge(
    ARCHIVE,
    "headrace_archive_lag_records",
    _TOPIC,
    "records",
    "Records that Kafka holds and the table does not.",
    "Growing: start another copy, up to one a partition. Before Kafka's retention ends it must fall.",
)
ARCHIVE_LAG_SECONDS = _gauge(
    ARCHIVE,
    "headrace_archive_lag_seconds",
    _TOPIC,
    "seconds",
    "How long the oldest record that was read and is not in the table has been in Kafka; 0 when none waits.",
    "As headrace_archive_lag_records.",
)
ARCHIVE_FILES = _gauge(
    ARCHIVE,
    "headrace_archive_files",
    _TOPIC,
    "files",
    "Files of the table, at the start and after each compaction.",
    "Growing: compactions fail.",
)
ARCHIVE_COMPACTIONS = _counter(
    ARCHIVE,
    "headrace_archive_compactions_total",
    _TOPIC,
    "runs",
    "Runs that put small files together.",
    "Flat for longer than HEADRACE_ARCHIVE_COMPACT_EVERY_S: the archive that reads partition 0 is away.",
)
ARCHIVE_UPKEEP_FAILURES = _counter(
    ARCHIVE,
    "headrace_archive_upkeep_failures_total",
    _TOPIC,
    "runs",
    "Compactions and vacuums that failed.",
    "Now and then another copy was faster; always: the log tells why.",
)

# Serving.
REQUESTS = _counter(
    API,
    "headrace_http_requests_total",
    ("route", "method", "status"),
    "requests",
    "Requests by route and status; a path that is no route is counted as `none`.",
    "5xx: the log tells why, with the request's id.",
)
REQUEST_SECONDS = _histogram(
    API,
    "headrace_http_request_seconds",
    ("route",),
    (*_QUICK, 2.5, 10.0),
    "Time from a request's first byte to the last of its answer.",
    "Growing with the traffic: add replicas. Without it: a large model is being loaded, or Redis is slow.",
)
IN_FLIGHT = _gauge(
    API,
    "headrace_http_in_flight",
    (),
    "requests",
    "Requests that are being answered.",
    "Growing: more come than can be answered, add replicas.",
)
REJECTED = _counter(
    API,
    "headrace_rejected_total",
    ("reason", "status"),
    "requests",
    "Requests that were refused, by the problem's title.",
    "4xx: a client is wrong, its answer tells how. 503: something that the answer names is away.",
)
PREDICTIONS = _counter(
    API,
    "headrace_predictions_total",
    ("use_case", "source"),
    "answers",
    "Answers by what gave them: model or rules.",
    "Rules where a model should be: no snapshot was published yet, or it is refused.",
)
PREDICT_SECONDS = _histogram(
    API,
    "headrace_predict_seconds",
    _CASE,
    _QUICK,
    "Time from a request's body to its answer, without the network.",
    "Growing: the champion has become dearer, or views are looked up slowly.",
)
VIEW_LOOKUPS = _counter(
    API,
    "headrace_view_lookups_total",
    ("use_case", "result"),
    "look-ups",
    "Look-ups of a key's features: found, unknown (nothing is known of the key) or failed.",
    "Failed: see to Redis.",
)
FEATURE_AGE = _gauge(
    API,
    "headrace_feature_age_seconds",
    _CASE,
    "seconds",
    "Event time of the newest view that was looked up, behind the event time of the model that used it.",
    "Growing: the trainer cannot publish views, see headrace_views_waiting.",
)
SNAPSHOT_SWAPS = _counter(
    API,
    "headrace_snapshot_swaps_total",
    _CASE,
    "models",
    "Models that serving has taken up.",
    "Flat while snapshots are published: see headrace_snapshot_refused_total.",
)
SNAPSHOT_REFUSED = _counter(
    API,
    "headrace_snapshot_refused_total",
    ("use_case", "reason"),
    "snapshots",
    "Snapshots that serving did not take up while the old model went on serving.",
    "Damaged: find out who writes to the store, or whose HEADRACE_SIGNING_KEY differs. Missing: serving is too slow, "
    "or the store was emptied.",
)
SNAPSHOT_LOAD_SECONDS = _histogram(
    API,
    "headrace_snapshot_load_seconds",
    _CASE,
    _SLOW,
    "Time from noticing a snapshot to serving it.",
    "Growing: the model has become large; the API takes it up less often.",
)
SNAPSHOT_DELAY = _histogram(
    API,
    "headrace_snapshot_delay_seconds",
    _CASE,
    _SLOW,
    "From the moment that a model was taken to the moment that it serves; what it learned last is that old.",
    "Over a second: the store or Kafka is slow, or the model is large.",
)
EVENT_SERVED = _histogram(
    API,
    "headrace_event_served_seconds",
    _CASE,
    _SLOW,
    "From the moment that an event came to Kafka to the moment that a model which has learned from it serves.",
    "Over a second: see headrace_lag_seconds (the trainer is behind), else headrace_snapshot_delay_seconds.",
)
MODEL_AGE = _told(
    API,
    "headrace_model_age_seconds",
    _SHARD,
    "seconds",
    "Age of the model that is served.",
    "Growing while events come: see to the trainer.",
)
MODEL_LEARNED = _told(
    API,
    "headrace_model_learned",
    _SHARD,
    "examples",
    "Examples that the served model's learner had learned.",
    "Lower than before: a trainer went on from an older checkpoint, or a model is pinned.",
)
MODEL_INFO = _told(
    API,
    "headrace_model_info",
    (*_CANDIDATE, "version", "pinned"),
    "1",
    "The model that is served: candidate, registered version (empty: none yet), whether it is pinned.",
    "Pinned by mistake: `headrace models USE_CASE unpin`.",
)
TRAINING_WANTED = _told(
    API,
    "headrace_training_wanted",
    _CASE,
    "1 or 0",
    "The switch as it is wanted, as the API knows it.",
    "Other than headrace_training_enabled: no trainer has heard it.",
)
TRAINER_SILENT = _told(
    API,
    "headrace_trainer_silent_seconds",
    _SHARD,
    "seconds",
    "How long ago the trainer last spoke, by both clocks; below zero: the clocks differ.",
    "Over ten: the trainer is down. Below zero: set the machines' clocks.",
)

# Every service.
KAFKA_BROKERS = _gauge(
    EVERY,
    "headrace_kafka_brokers_up",
    _CLIENT,
    "brokers",
    "Brokers that the client is connected to.",
    "0: Kafka is away, or its address is wrong.",
)
KAFKA_SECONDS = _gauge(
    EVERY,
    "headrace_kafka_request_seconds",
    _CLIENT,
    "seconds",
    "The slowest broker's 99th percentile of round trips, by librdkafka.",
    "Fetches wait up to a tenth of a second by themselves; above that the broker or the network is slow.",
)
KAFKA_QUEUED = _gauge(
    EVERY,
    "headrace_kafka_queued_records",
    _CLIENT,
    "records",
    "Records that wait in the client to be sent.",
    "Growing: Kafka does not take them.",
)
KAFKA_ERRORS = _counter(
    EVERY,
    "headrace_kafka_errors_total",
    _CLIENT,
    "requests",
    "Requests to brokers that failed or timed out.",
    "Many: look at the brokers and the network.",
)
BUILD = _told(
    EVERY,
    "headrace_build_info",
    ("service", "version", "python", "river"),
    "1",
    "What is running.",
    "Replicas that differ: a roll-out is not finished.",
)
