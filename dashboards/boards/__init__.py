"""The dashboards, by the name of their file."""

from dashboards.boards.learning import LEARNING
from dashboards.boards.overview import OVERVIEW
from dashboards.boards.platform import PLATFORM
from dashboards.boards.serving import SERVING
from dashboards.boards.streams import STREAMS

BOARDS = {"overview": OVERVIEW, "learning": LEARNING, "serving": SERVING, "streams": STREAMS, "platform": PLATFORM}
