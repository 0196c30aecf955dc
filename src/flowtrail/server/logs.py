"""Where logs go: to standard error, one line each."""

import logging


def log_to_standard_error(level: str) -> None:
    """From that level on."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It warns of every request that is no HTTP, with no more to say than that; those are answered.
    logging.getLogger("uvicorn.error").setLevel(max(logging.ERROR, logging.getLogger().level))
