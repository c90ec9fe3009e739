"""`headrace use-cases`: what there is to learn."""

import json
from typing import Annotated, Any

import typer


def command(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the use cases: the project's own and those that HEADRACE_USE_CASES names."""
    from producers.sources import source_for
    from streaming.scoring import metric_name
    from streaming.settings import load_settings
    from usecases.registry import load_use_cases

    rows: list[dict[str, Any]] = [
        {
            "name": use_case.name,
            "about": (type(use_case).__doc__ or "").strip().split("\n")[0],
            "topics": [topic.name for topic in use_case.topics],
            "metric": metric_name(type(use_case).metric()),
            "candidates": list(use_case.candidates),
            "simulator": source.name if (source := source_for(t.name for t in use_case.topics)) else None,
        }
        for use_case in load_use_cases(load_settings()).values()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']}: {row['about']}")
        typer.echo(f"  topics {', '.join(row['topics'])}; by {row['metric']}; {', '.join(row['candidates'])}")
