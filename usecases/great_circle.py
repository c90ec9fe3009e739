"""How far two places on the earth are from each other."""

from math import asin, cos, radians, sin, sqrt

_EARTH_KM = 6_371.0


def distance_km(lat: float, lon: float, to_lat: float, to_lon: float) -> float:
    """Kilometres on a sphere, by the haversine (Sinnott, Virtues of the Haversine, 1984); degrees.

    >>> round(distance_km(48.2, 16.37, 48.2, 16.5), 2)
    9.63
    """
    phi, lam, to_phi, to_lam = radians(lat), radians(lon), radians(to_lat), radians(to_lon)
    a = sin((to_phi - phi) / 2) ** 2 + cos(phi) * cos(to_phi) * sin((to_lam - lam) / 2) ** 2
    return 2 * _EARTH_KM * asin(min(1.0, sqrt(a)))
