"""The ASGI door, for uvicorn."""

import os

from django.core.asgi import get_asgi_application

from callanalytics.checks import weights_licence_log

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "callanalytics.settings")
application = get_asgi_application()
weights_licence_log()
