"""The algorithm. Knows torch, numpy and gymnasium; knows no process, no server and no page."""
