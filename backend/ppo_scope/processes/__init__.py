"""Processes of our own: how they come to be, are guarded and are ended."""
