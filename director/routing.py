"""Websocket paths."""

from django.urls import path

from executions.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/live/", LiveConsumer.as_asgi())]
