"""`plan` with one logistic regression alone."""

from usecases.telecom.plan import Plan


class PlanLogistic(Plan):
    """Which plan is the cheapest, by one model."""

    candidates = {"logistic": Plan.candidates["logistic"]}  # declared once, read only
