"""Other people's training loops, shown as ours: each way in is one small file."""
