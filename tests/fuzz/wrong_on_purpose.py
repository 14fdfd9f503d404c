"""A target with a mistake, which shows that mistakes are found."""

SEEDS = [b"x"]


def check(data: bytes) -> None:
    """Refuse what begins with an A."""
    if data[:1] == b"A":
        raise ValueError("it begins with an A")
