"""The web process: HTTP by Django, websockets by Channels."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from director import embedded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "director.settings")
embedded.join_unless_configured()
django_application = get_asgi_application()

from director.routing import websocket_urlpatterns  # noqa: E402  (consumers need the apps to be loaded)

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
