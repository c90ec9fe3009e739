"""How each use case learns."""

from dashboards.panel import Board, Panel

_OF = 'use_case=~"$use_case",shard=~"$shard"'
_LINKS = {"MLflow": "${mlflow}/#/experiments", "The API": "${api}/docs"}
_API = {"What the API tells of it": "${api}/v1/${__field.labels.use_case}/metrics"}
_RUN = {"Its run in MLflow": "${mlflow}/#/experiments/${__field.labels.experiment}/runs/${__field.labels.run}"}


def _with_run(metric: str) -> str:
    """The metric with the ids of its candidate's run, where MLflow has one."""
    run = f"headrace_mlflow_run_info{{{_OF}}}"
    own = "use_case, shard, candidate"
    return f"{metric} * on ({own}) group_left (experiment, run) {run} or on ({own}, metric, window) {metric}"


def _gauge(title: str, name: str, unit: str, legend: str = "{{use_case}}/{{shard}}", **more: object) -> Panel:
    return Panel(title, unit, {legend: f"{name}{{{_OF}}}"}, **more)  # type: ignore[arg-type]


def _rate(title: str, unit: str, **names: str) -> Panel:
    rates = {
        f"{word} {{{{use_case}}}}": f"sum by (use_case) (rate({name}{{{_OF}}}[$__rate_interval]))"
        for word, name in names.items()
    }
    return Panel(title, unit, rates)


LEARNING = Board(
    uid="headrace-learning",
    title="Headrace / Learning",
    says="Metrics of the candidates, changes of the champion, labels, checkpoints, MLflow: for each use case.",
    variables={
        "use_case": "label_values(headrace_events_total, use_case)",
        "shard": 'label_values(headrace_events_total{use_case=~"$use_case"}, shard)',
    },
    annotations={
        "Drift": f"sum by (use_case, candidate) (increase(headrace_drifts_total{{{_OF}}}[1m])) > 0",
        "Another champion": f"changes(headrace_champion_info{{{_OF}}}[1m]) > 0 and headrace_champion_info{{{_OF}}} == 1"
    },
    rows={
        "Candidates": [
            Panel("Rolling metric", "none",
                  {"{{use_case}}/{{shard}} {{candidate}} {{metric}}": _with_run(f'(headrace_metric{{{_OF},window="rolling"}} and on (use_case, shard, metric) headrace_metric_bigger_is_better)')},
                  width=12, links=_LINKS, leads_to=_API | _RUN),
            Panel("Metric over the life", "none",
                  {"{{use_case}}/{{shard}} {{candidate}} {{metric}}": _with_run(f'headrace_metric{{{_OF},window="life"}}')},
                  width=12, links=_LINKS, leads_to=_API | _RUN),
            _gauge("Champion", "headrace_champion_info", "short", "{{use_case}}/{{shard}} {{candidate}}"),
            _rate("Changes of the champion", "cps", changes="headrace_champion_changes_total"),
            _gauge("Candidates that failed", "headrace_candidate_failed", "short", "{{use_case}} {{candidate}}", leads_to=_API, steps=((1.0, "red"),)),
            Panel("Time of a prediction or lesson", "s", {"{{use_case}} {{candidate}}": 'headrace:candidate_seconds:mean5m{use_case=~"$use_case"}'},
                  "The mean of those that were timed, by candidate. The dearest one sets the pace."),
            Panel("Share of a core", "percentunit",
                  {"{{use_case}} {{candidate}}": f"sum by (use_case, candidate) (rate(headrace_candidate_seconds_total{{{_OF}}}[5m])) / sum by (use_case, candidate) (rate(headrace_candidate_timed_total{{{_OF}}}[5m])) * on (use_case) group_left () (2 * sum by (use_case) (rate(headrace_learned_total{{{_OF}}}[5m])))"},
                  "Time for an example (a prediction and a lesson) times examples a second."),
            Panel("Drifts found by ADWIN", "short", {"{{use_case}} {{candidate}}": f"sum by (use_case, candidate) (increase(headrace_drifts_total{{{_OF}}}[15m]))"}, width=8),
            Panel("Time of an example, all candidates", "s",
                  {"{{use_case}}": '2 * sum by (use_case) (headrace:candidate_seconds:mean5m{use_case=~"$use_case"})'},
                  "A prediction and a lesson of every candidate: one divided by it is what the models alone could learn a second.", width=8),
            Panel("Share of the use case's time by candidate", "percentunit",
                  {"{{use_case}} {{candidate}}": 'headrace:candidate_seconds:mean5m{use_case=~"$use_case"} / on (use_case) group_left () sum by (use_case) (headrace:candidate_seconds:mean5m)'},
                  "Which candidate the time goes into.", width=8),
            Panel("What was served", "none",
                  {"{{use_case}}/{{shard}} {{metric}} {{window}}": f"headrace_served_metric{{{_OF}}}"}, width=12, leads_to=_API),
            _gauge("Size of a candidate", "headrace_candidate_bytes", "bytes", "{{use_case}} {{candidate}}", width=12, steps=((500e6, "orange"), (1e9, "red"))),
            Panel("Drift: worse than the last six hours", "percentunit",
                  {"{{use_case}} {{metric}}": '(headrace:champion_metric{window="rolling"} - avg_over_time(headrace:champion_metric{window="rolling"}[6h])) / abs(avg_over_time(headrace:champion_metric{window="rolling"}[6h])) * on (use_case, shard, metric) group_left () (1 - 2 * headrace_metric_bigger_is_better)'},
                  "How much worse the rolling metric of the champion is than its own mean of six hours.", steps=((0.15, "red"),)),
        ],
        "Questions and labels": [
            _rate("Events, examples, questions, answers", "cps", events="headrace_events_total", learned="headrace_learned_total", questions="headrace_questions_total", answers="headrace_answers_total"),
            _gauge("Open questions", "headrace_pending", "short"),
            Panel("Mean delay of a label", "s", {"{{use_case}}/{{shard}}": "headrace:label_delay_seconds:mean1h"}, "Event time from question to answer."),
            _rate("Joined, expired, double, without question", "cps", joined="headrace_joined_total", expired="headrace_expired_total", double="headrace_duplicates_total", unasked="headrace_unasked_total"),
            _rate("Label delay added up", "s", delay="headrace_label_delay_seconds_total"),
            _rate("Profiles that went", "cps", evicted="headrace_profiles_evicted_total"),
        ],
        "Time": [
            Panel("Event time", "dateTimeAsIso", {"{{use_case}}/{{shard}}": f"1000 * headrace_event_time_seconds{{{_OF}}}"}),
            _gauge("Training", "headrace_training_enabled", "bool_on_off"),
            Panel("Training wanted", "bool_on_off", {"{{use_case}}": 'headrace_training_wanted{use_case=~"$use_case"}'}),
        ],
        "Checkpoints and snapshots": [
            Panel("Age of the newest checkpoint", "s", {"{{use_case}}/{{shard}}": f"time() - headrace_checkpoint_time_seconds{{{_OF}}}"}, steps=((60.0, "orange"), (300.0, "red"))),
            _gauge("Time of a checkpoint", "headrace_checkpoint_seconds", "s", steps=((60.0, "red"),)),
            _gauge("Pause of a checkpoint", "headrace_checkpoint_pause_seconds", "s", steps=((0.1, "orange"), (0.5, "red"))),
            _gauge("Size of a checkpoint", "headrace_checkpoint_bytes", "bytes"),
            _rate("Checkpoints", "cps", stored="headrace_checkpoints_total", failed="headrace_checkpoint_failures_total"),
            _gauge("Checkpoints refused at the start", "headrace_checkpoint_refused", "short", steps=((1.0, "red"),)),
            _rate("Snapshots", "cps", published="headrace_snapshots_total", failed="headrace_snapshot_failures_total"),
            _gauge("Size of a snapshot", "headrace_snapshot_bytes", "bytes"),
            _gauge("Views that wait", "headrace_views_waiting", "short"),
        ],
        "MLflow": [
            _gauge("MLflow answers", "headrace_mlflow_up", "bool_yes_no", links=_LINKS),
            _gauge("Points that wait", "headrace_mlflow_waiting_points", "short", steps=((720.0, "red"),)),
            _gauge("A version is due", "headrace_registration_pending", "bool_yes_no"),
            Panel("Versions and failed visits", "cps",
                  {"versions {{use_case}}": f"sum by (use_case) (increase(headrace_registrations_total{{{_OF}}}[1h]))",
                   "failed {{use_case}}": f"sum by (use_case) (increase(headrace_mlflow_failures_total{{{_OF}}}[1h]))"}, width=12, links=_LINKS),
            _gauge("Runs", "headrace_mlflow_run_info", "short", "{{use_case}}/{{shard}} {{candidate}}", width=12, leads_to=_RUN),
        ],
    },
)  # fmt: skip
