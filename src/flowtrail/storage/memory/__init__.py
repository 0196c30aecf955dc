"""The reference store: dictionaries in this process, obviously right, gone with it."""
