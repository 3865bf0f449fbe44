"""Runs: the process that trains, the supervisor that watches over it, and what is kept of it."""
