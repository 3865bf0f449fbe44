"""Stable-Baselines3 and sb3-contrib: the hooks in its classes, and what is read of a model."""
