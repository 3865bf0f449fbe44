"""PPO Scope: train with PPO for real and see every number of it in a browser."""

__version__ = "0.1.0"
