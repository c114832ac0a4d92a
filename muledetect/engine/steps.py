"""Steps of long work, which a test can hear of."""


def at_step(_name: str) -> None:
    """Hear of each step that has been done; a test ends the process there."""
