"""An S3 of a test's own on loopback."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import botocore.session
from moto.server import ThreadedMotoServer

from callanalytics.env import S3

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "recordings"


class Store:
    """A bucket, and how an installation reads it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.access = S3("testing", "testing", "", "us-east-1", url)
        self._client: Any = botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content)


@contextlib.contextmanager
def stored() -> Iterator[Store]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Store(f"http://{host}:{port}")
    finally:
        server.stop()
