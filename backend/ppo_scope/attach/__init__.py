"""Other people's training loops, shown as ours: each way in is one file, and what it needs besides stands in folders."""
