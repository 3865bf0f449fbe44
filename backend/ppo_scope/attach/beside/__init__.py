"""A process beside somebody's training, which measures what goes by at full speed."""
