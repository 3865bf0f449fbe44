"""The server: it passes frames on to pages, and commands on to the run. It computes nothing of PPO's."""
