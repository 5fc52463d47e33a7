"""The views, one module per page or kind of request: thin doors on selectors and services."""
