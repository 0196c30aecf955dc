"""What the host's side wants of the delivery thread."""


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

    @property
    def is_hurried(self) -> bool:
        """Whether company is not waited for."""
        return self.is_closing or self.flushing > 0
