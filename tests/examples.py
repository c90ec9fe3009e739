"""How many examples a state machine tries: few with every change, many behind `make soak`."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("quick", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("soak", deadline=None, derandomize=False, print_blob=True)
settings.register_profile("raw", deadline=None, phases=("generate",))
settings.load_profile("quick")
_SOAK_FACTOR = 40


def steps(examples: int, length: int) -> settings:
    """Settings of a state machine; `--hypothesis-profile=soak` tries many more examples, and other ones each time."""
    soaking = settings.get_current_profile_name() == "soak"
    return settings(
        max_examples=examples * (_SOAK_FACTOR if soaking else 1),
        stateful_step_count=length,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
