"""The way from somebody's training process to a server."""
