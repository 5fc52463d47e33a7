"""The WSGI door, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from callanalytics.checks import weights_licence_log

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "callanalytics.settings")
application = get_wsgi_application()
# The views take a second to import: now, not in the first request of each process.
_ = get_resolver().url_patterns
weights_licence_log()
