"""The one websocket of the site, /ws/: a client subscribes to topics and receives their events as plain JSON."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Placeholder until the live layer lands in this slice; refuses everyone."""

    async def connect(self) -> None:
        await self.close(code=4401)
