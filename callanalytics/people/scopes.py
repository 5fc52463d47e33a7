"""What an API key may be allowed to do. A key never may more than its team's supervisor."""

from __future__ import annotations

from django.db import models


class Scope(models.TextChoices):
    CALLS_READ = "calls:read", "Read calls, transcripts, flags and measures"
    CALLS_WRITE = "calls:write", "Hand calls in, have them analysed again, record objections"
    CALLS_DELETE = "calls:delete", "Erase calls"
    HANDOVERS_READ = "handovers:read", "Read what waits for a human"
    HANDOVERS_WRITE = "handovers:write", "Claim and resolve what waits for a human"
    ENDPOINTS_READ = "endpoints:read", "Read endpoints and what was delivered to them"
    ENDPOINTS_WRITE = "endpoints:write", "Change endpoints, test them, replay deliveries"
