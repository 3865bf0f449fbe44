"""What passes between processes, server and pages: frames, messages, codes. One definition."""
