"""The card topics: what is offered at which price, and what it was sold for."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streaming.topics import Topic

CardSet = Literal["ashes", "crown", "depths", "ember", "frontier", "origins", "tempest", "wilds"]
Rarity = Literal["common", "uncommon", "rare", "epic", "legendary"]
Condition = Literal["poor", "played", "good", "near_mint", "mint"]
Seller = Literal["private", "shop", "auction"]
Grade = Annotated[int, Field(ge=0, le=10, description="by a grading company, 1 to 10; 0: not graded")]
SellerRating = Annotated[float, Field(ge=1, le=5, description="the seller's rating by earlier buyers")]
DaysListed = Annotated[float, Field(ge=0, le=36_500, description="days since the card was first offered")]
Price = Annotated[float, Field(ge=0.0001, le=1e9)]
ListingId = Annotated[str, Field(min_length=1, max_length=64)]


class ListingEvent(TypedDict):
    """A card is offered, at the market price: what the seller asks."""

    listing_id: ListingId
    time: dt.datetime
    set: CardSet
    rarity: Rarity
    condition: Condition
    grade: Grade
    seller: Seller
    seller_rating: SellerRating
    market_price: Price
    days_listed: DaysListed


class SaleEvent(TypedDict):
    """It was sold."""

    listing_id: ListingId
    time: dt.datetime
    price: Annotated[Price, Field(description="what the buyer paid")]


LISTINGS = Topic("cards.listings", ListingEvent, key="listing_id", time="time")
SALES = Topic("cards.sales", SaleEvent, key="listing_id", time="time")
