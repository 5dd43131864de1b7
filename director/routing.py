"""Websocket paths."""

from typing import Any

from django.urls import path

from executions.consumers import LiveConsumer

live: Any = LiveConsumer.as_asgi()  # an ASGI application, where the type of `path` knows views only

websocket_urlpatterns: list[Any] = [path("ws/live/", live)]
