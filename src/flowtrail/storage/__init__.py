"""Where journal and views live: one interface, three back ends. `open_store` picks one by its URL."""
