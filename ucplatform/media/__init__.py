"""Media engines as the edge sees them: requests over NG, choice of the engine, events."""

from ucplatform.media.client import MediaClient
from ucplatform.media.errors import EngineError, EngineTimeout
from ucplatform.media.events import Event

__all__ = ["EngineError", "EngineTimeout", "Event", "MediaClient"]
