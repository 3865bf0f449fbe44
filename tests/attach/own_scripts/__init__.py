"""PPOs in one file, each put together otherwise, by no names that are known."""
