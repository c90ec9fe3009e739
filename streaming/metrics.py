"""Every Prometheus instrument, by service. Where it matters, the text says what to do about it."""

from prometheus_client import Counter, Gauge, Histogram

PREDICTIONS = Counter(
    "headrace_predictions_total", "Answers of the API, by what gave them: model or rules.", ["use_case", "source"]
)
PREDICT_SECONDS = Histogram(
    "headrace_predict_seconds",
    "Time from a request's body to its answer, without the network.",
    ["use_case"],
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
VIEW_LOOKUPS = Counter(
    "headrace_view_lookups_total",
    "Look-ups of a key's features: found, unknown (nothing is known of the key) or failed (see to Redis).",
    ["use_case", "result"],
)
SNAPSHOT_SWAPS = Counter("headrace_snapshot_swaps_total", "Models that serving has taken up.", ["use_case"])
SNAPSHOT_REFUSED = Counter(
    "headrace_snapshot_refused_total",
    "Snapshots that serving did not take up while the old model went on serving. Damaged: find out who writes to the "
    "store, or whose HEADRACE_SIGNING_KEY differs. Missing: serving is too slow, or the store was emptied.",
    ["use_case", "reason"],
)
SNAPSHOT_LOAD_SECONDS = Histogram(
    "headrace_snapshot_load_seconds",
    "Time from noticing a snapshot to serving it.",
    ["use_case"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
MODEL_AGE = Gauge(
    "headrace_model_age_seconds",
    "Age of the model that is served. Growing while events come: see to the trainer.",
    ["use_case"],
    multiprocess_mode="max",
)
CHECKPOINT_BYTES = Gauge(
    "headrace_checkpoint_bytes",
    "Size of the trainer's newest checkpoint as it is stored. Growing for ever: set most_profiles or most_open.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
CHECKPOINT_PAUSE_SECONDS = Gauge(
    "headrace_checkpoint_pause_seconds",
    "How long learning stood still for the newest checkpoint.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
CHECKPOINT_AGE = Gauge(
    "headrace_checkpoint_age_seconds",
    "Age of the trainer's newest checkpoint, by what the trainer last said. Growing while events come: see to the "
    "object store and to the trainer.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
CHECKPOINT_FAILURES = Gauge(
    "headrace_checkpoint_failures",
    "Checkpoints that failed, or were put again, since the trainer's start.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
CHECKPOINT_REFUSED = Gauge(
    "headrace_checkpoint_refused",
    "Checkpoints that the trainer passed over at its start. Find out who writes to the store, or whose "
    "HEADRACE_SIGNING_KEY differs.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
PROFILES_EVICTED = Gauge(
    "headrace_profiles_evicted",
    "Profiles that went because there were more than most_profiles, over the learner's life.",
    ["use_case", "shard"],
    multiprocess_mode="mostrecent",
)
MODEL_LEARNED = Gauge(
    "headrace_model_learned",
    "Examples that the served model's learner had learned.",
    ["use_case"],
    multiprocess_mode="max",
)
