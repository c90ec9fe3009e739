"""`docs/metrics.md`: a table of the instruments, made of their declarations."""

from itertools import groupby

from streaming.metrics import INSTRUMENTS, Instrument

_HEAD = """# Metrics

Every series that Headrace shows to Prometheus. This page is made of the declarations in `streaming/metrics.py` by
`python -m dashboards`; a test fails when the two differ.

The API shows its own at `/metrics`; trainer and archive show theirs on the port `HEADRACE_MONITOR__PORT`, with `/livez`
and `/readyz` (`headrace up` takes a free port for each, and shows it). Every service also shows the metrics of its
process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`); an API of several workers
shows them for all of them together. Counters begin at zero with the process: what was learned before a restart is not
counted again.
"""


def metrics_page() -> str:
    """The page."""
    parts = [_HEAD]
    for service, instruments in groupby(INSTRUMENTS.values(), key=lambda instrument: instrument.service):
        parts.append(f"## {service[0].upper()}{service[1:]}\n")
        parts.extend(_paragraph(instrument) for instrument in instruments)
    return "\n".join(parts)


def _paragraph(instrument: Instrument) -> str:
    labels = ", ".join(f"`{label}`" for label in instrument.labels) or "none"
    return (
        f"### `{instrument.name}`\n\n{instrument.kind}, in {instrument.unit}; labels: {labels}.\n"
        f"{instrument.meaning} *{instrument.act}*\n"
    )
