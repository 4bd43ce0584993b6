"""Why did the server not start?

A mistake in the settings that shows only when the parts open, such as a database that is not there, is told
in a sentence. Anything else that goes wrong keeps its traceback.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nemotron_app.accounts import Misconfigured


class Plain:
    """The app, but for the traceback of a setting that cannot be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.reason = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        # The server would log what is said of a failed start, so that is held back until it is understood.
        said: list[Message] = []

        async def hold(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                said.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold)
        except Misconfigured as error:
            self.reason = str(error)
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            for message in said:
                await send(message)
            raise
