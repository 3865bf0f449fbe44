"""Speed, latency and frame size; each module is a command that prints a table: `python -m benchmarks.throughput`."""
