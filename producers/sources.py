"""The simulators by name, and the topics that each one feeds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from producers import cards, market, rides, shop, telecom, web
from streaming.errors import WrongUsage
from streaming.topics import Topic
from streaming.usecase import Event
from usecases.cards.events import LISTINGS, SALES
from usecases.market.events import PRICES
from usecases.rides.events import ARRIVALS, REQUESTS
from usecases.shop.events import CHARGEBACKS, TRANSACTIONS
from usecases.telecom.events import CHURN, USAGE
from usecases.web.events import INTERACTIONS


@dataclass(frozen=True)
class Source:
    """A simulator: the same options give the same events, in the order of their time and key within each topic."""

    name: str
    topics: tuple[Topic, ...]
    events: Callable[..., Iterator[tuple[Topic, Event]]]
    """Takes `seed` and the options below by keyword; each has a default."""
    options: tuple[str, ...] = ()


SOURCES = {
    source.name: source
    for source in (
        Source("telecom", (CHURN, USAGE), telecom.events, options=("customers", "drift_day")),
        Source("market", (PRICES,), market.events, options=("drift_day",)),
        Source("shop", (CHARGEBACKS, TRANSACTIONS), shop.events, options=("customers", "drift_day")),
        Source("web", (INTERACTIONS,), web.events, options=("drift_day",)),
        Source("cards", (SALES, LISTINGS), cards.events, options=("drift_day",)),
        Source("rides", (ARRIVALS, REQUESTS), rides.events, options=("drift_day",)),
    )
}


def source_named(name: str) -> Source:
    """The simulator of this name, or a sentence that lists those there are."""
    try:
        return SOURCES[name]
    except KeyError:
        raise WrongUsage(f"unknown source {name!r}; there are {', '.join(SOURCES)}") from None


def source_for(topic_names: Iterable[str]) -> Source | None:
    """The simulator that feeds all these topics, if there is one."""
    wanted = set(topic_names)
    return next((s for s in SOURCES.values() if wanted <= {topic.name for topic in s.topics}), None)
