"""The web topic: what visitors of a shop do, page by page."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

Category = Literal["electronics", "fashion", "groceries", "home", "toys"]
Action = Literal["view", "cart", "purchase", "return"]
Device = Literal["phone", "tablet", "desktop"]
Place = Literal["africa", "america", "asia", "europe"]

_Id = Annotated[str, Field(min_length=1, max_length=64)]


class Interaction(TypedDict):
    """One page, and what was done there."""

    session_id: _Id
    time: dt.datetime
    product_id: _Id
    category: Category
    price: Annotated[float, Field(ge=0, le=1e9, description="of one piece, EUR")]
    quantity: Annotated[int, Field(ge=1, le=1_000, description="pieces; 1 for a look")]
    event_type: Action
    page_seconds: Annotated[float, Field(ge=0, le=1e6, description="time spent on the page, seconds")]
    device: Device
    place: Place


INTERACTIONS = Topic("web.interactions", Interaction, key="session_id", time="time")
