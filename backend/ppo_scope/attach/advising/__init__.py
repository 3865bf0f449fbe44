"""A script whose PPO has names of its own: what is what in it, by its source, and the lines that show it."""
