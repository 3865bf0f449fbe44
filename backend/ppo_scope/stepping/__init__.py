"""Environments stepped in several processes at once, with the numbers that one process gives."""
