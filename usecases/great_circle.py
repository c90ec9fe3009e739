"""How far two places on the earth are from each other."""

from math import asin, cos, radians, sin, sqrt

_EARTH_KM = 6_371.0


def distance_km(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Kilometres on a sphere, by the haversine (Sinnott, Virtues of the Haversine, 1984); degrees.

    >>> round(distance_km(48.2, 16.37, 48.2, 16.5), 2)
    9.63
    """
    north, east = radians(to_lat - lat) / 2, radians(to_lon - lon) / 2
    a = sin(north) ** 2 + cos(radians(lat)) * cos(radians(to_lat)) * sin(east) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(a)))
