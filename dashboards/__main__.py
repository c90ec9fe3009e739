"""`python -m dashboards`: write what is made of Python again."""

from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.draw import drawn_files
from dashboards.page import metrics_page

ROOT = Path(__file__).parents[1]


def made() -> dict[Path, str]:
    """The files and what has to be in them."""
    grafana = {ROOT / "dashboards" / "grafana" / name: text for name, text in drawn_files(BOARDS).items()}
    return {ROOT / "docs" / "metrics.md": metrics_page(), **grafana}


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text)
