"""Lines that show a script, put into it in memory: it is begun anew with them, and its files stay as they are."""
