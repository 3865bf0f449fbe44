"""A PPO in one file, as CleanRL's are: known by what its variables are called."""
