"""What a media engine can do to us."""


class EngineError(Exception):
    """The engine refused a request, or there is none to ask. `reason` is its own text, for trace and log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineTimeout(EngineError):
    """No reply within three seconds. Whether the request was carried out is not known."""
