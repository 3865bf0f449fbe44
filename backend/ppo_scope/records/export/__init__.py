"""A run that is kept, in the forms that other programs read: one file for each."""
