"""A symbol's last values: the profile of forecasts."""

from typing import Any

from streaming.codec import to_us


class Series:
    """The newest values of one symbol, newest first, and when the newest was."""

    __slots__ = ("time", "values")

    def __init__(self) -> None:
        """Begin without any value."""
        self.time: Any = None
        self.values: list[float] = []

    def precedes(self, time: Any) -> bool:
        """Whether a value of this time goes on from here; one that is told again or late does not.

        A time without a zone is UTC, as everywhere.
        """
        return self.time is None or to_us(time) > to_us(self.time)

    def append(self, time: Any, value: float, *, most: int) -> None:
        """Take in the next value; at most so many are kept."""
        self.time, self.values = time, [value, *self.values[: most - 1]]

    def view(self) -> dict[str, float | str]:
        """`in_1`, the newest value, `in_2`, the one before it, and so on: those that are known."""
        return {f"in_{at}": value for at, value in enumerate(self.values, 1)}

    def copy(self) -> "Series":
        """Another one that begins here: what the learner goes back to when a handler fails."""
        twin = Series()
        twin.time, twin.values = self.time, self.values  # `append` makes a new list
        return twin
