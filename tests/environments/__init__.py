"""Environments that tests and benchmarks bring about something with; each module registers its ids."""
