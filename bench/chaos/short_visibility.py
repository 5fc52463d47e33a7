"""The platform's Celery application, with a broker that hands a message out again after half a minute: longer tasks come twice."""

from __future__ import annotations

from callanalytics.celery import app

VISIBILITY_S = 30

app.conf.broker_transport_options = {**app.conf.broker_transport_options, "visibility_timeout": VISIBILITY_S}
