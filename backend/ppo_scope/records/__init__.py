"""What is kept of a run: readable without a process."""
