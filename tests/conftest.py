"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says nothing on a machine that others use as well.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
