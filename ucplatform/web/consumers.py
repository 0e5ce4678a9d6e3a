"""`/events`: says to a page that something changed; the page fetches it. A lost message is repaired by the
refetch on reconnect, so nothing is queued here."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from ucplatform.directory import sessions

SIGNED_OUT = 4401  # close code: sign in first; the page goes to the sign-in page


class EventsConsumer(AsyncJsonWebsocketConsumer):
    """Joins `user.<id>` and `session.<tag>`; what a page sends is ignored."""

    groups: list[str] = []

    async def connect(self) -> None:
        user, session = self.scope["user"], self.scope["session"]
        await self.accept()  # before a close: browsers hide the code of a refused handshake
        if not user.is_authenticated:
            await self.close(SIGNED_OUT)
            return
        tag = sessions.tag_of(session)
        self.groups = [f"user.{user.pk}", *([f"session.{tag}"] if tag else [])]
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.send_json({"type": "hello"})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        """Pages have nothing to say here."""

    async def ui_event(self, message: dict[str, Any]) -> None:
        """Something of this user changed."""
        await self.send_json({"type": message["kind"]})

    async def session_ended(self, message: dict[str, Any]) -> None:
        """The session was signed out elsewhere."""
        await self.close(SIGNED_OUT)
