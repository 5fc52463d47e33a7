"""What other systems tell of a recording, as fields of a new call: pure functions, one module for each system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callanalytics.api.adapters import asterisk, connect, genesys, twilio
from callanalytics.api.adapters.values import NotTaken as NotTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ADAPTERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "amazon-connect": connect.call_fields,
    "asterisk": asterisk.call_fields,
    "genesys": genesys.call_fields,
    "twilio": twilio.call_fields,
}
"""By the name in the address. Each gives `url` and the fields that `POST /calls/` takes, or raises NotTaken."""
