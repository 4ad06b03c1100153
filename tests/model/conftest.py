"""Hypothesis without a stopwatch: on a shared machine a slow example is the machine's, and flaky is broken."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
