"""Whether a figure keeps its budget, in one word for every table."""


def judged(value: float, limit: float, least: bool = False) -> str:
    """Return 'within', or on which side of its limit a value lies.

    Parameters
    ----------
    value, limit : float, in the same unit
    least : bool, True where the limit is the least that is wanted
    """
    if least:
        return 'within' if value >= limit else 'below'
    return 'within' if value <= limit else 'above'
