"""What the host's side wants of the delivery thread."""


class Parked(Exception):
    """The thread leaves everything as it is, and comes back to it after a fork."""


class Orders:
    """What the host's side wants; read by the courier between any two steps."""

    def __init__(self) -> None:
        self.is_closing = False
        """Deliver what is there, then end, not later than `exit_at`."""
        self.is_halted = False
        """End now."""
        self.exit_at = 0.0
        self.flushing = 0
        """How many wait for everything to be settled."""
        self.forks = 0
        """Forks under way, for which the thread is to be gone."""

    @property
    def is_hurried(self) -> bool:
        """Whether company is not waited for."""
        return self.is_closing or self.flushing > 0
