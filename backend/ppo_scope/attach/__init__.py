"""Other people's training loops, shown as ours: each way in is one file; what it needs besides stands in folders."""
