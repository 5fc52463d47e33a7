"""The WSGI door, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from callanalytics.checks import weights_licence_log

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "callanalytics.settings")
application = get_wsgi_application()
weights_licence_log()
