"""Addresses of objects in S3, signed by the environment's credentials to be fetched as any other; asks nothing of the network."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError, create_parser
from django.conf import settings

from callanalytics.egress import EgressError

if TYPE_CHECKING:
    from callanalytics.env import S3

log = logging.getLogger(__name__)

PAGE = 1000
"""Keys in one listing: what AWS gives at most."""
SCHEME = "s3://"
BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
EXPIRES_S = 3600
"""Of a signature: as long as fetching one recording may take."""


def check(url: str, team: str) -> None:
    """Raises EgressError `refused` where the address names no object, none that this team may name, or nobody gave credentials."""
    _place(url)
    check_access()
    opened = settings.S3.buckets
    if opened and not any(url.startswith(_beginning(each, team)) for each in opened):
        log.warning("refused %s for the team %s: not within CALLANALYTICS_S3_BUCKETS", url, team)
        raise EgressError("Recordings of this team are not fetched from there; whoever runs this sets CALLANALYTICS_S3_BUCKETS.", "refused")


def _beginning(bucket: str, team: str) -> str:
    """Of the addresses that an entry of CALLANALYTICS_S3_BUCKETS opens."""
    bare = bucket.removeprefix(SCHEME).replace("{team}", team)
    return f"{SCHEME}{bare}" if "/" in bare else f"{SCHEME}{bare}/"


def check_access() -> None:
    """Raises EgressError `refused` where nobody gave the credentials to read anything."""
    if not settings.S3.access_key_id or not settings.S3.secret_access_key:
        raise EgressError("This installation has no credentials for S3; whoever runs it sets AWS_ACCESS_KEY_ID and the rest.", "refused")


def object_url(url: str) -> str:
    """From `s3://bucket/key` to an address that a plain GET reads. Raises EgressError as `check` does, but for the team."""
    check_access()
    bucket, key = _place(url)
    return _signed("get_object", Bucket=bucket, Key=key)


def listing_url(bucket: str, prefix: str, *, after: str = "") -> str:
    """An address that answers with one page of the bucket's keys, from after a token on."""
    more = {"ContinuationToken": after} if after else {}
    return _signed("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=PAGE, **more)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a bucket's keys, each with its tag and size."""

    found: tuple[tuple[str, str], ...]
    after: str
    """Where the next page begins; empty at the last."""


def listing_read(body: bytes) -> Listing:
    """What such an address answered. Raises EgressError where it is no listing."""
    shape = _client(settings.S3).meta.service_model.operation_model("ListObjectsV2").output_shape
    try:
        parsed = create_parser("rest-xml").parse({"status_code": 200, "headers": {}, "body": body}, shape)
    except ResponseParserError as error:
        raise EgressError("The store's listing cannot be read.", "status") from error
    plain = unquote_plus if parsed.get("EncodingType") == "url" else str
    found = tuple((plain(each["Key"]), f"{each.get('ETag', '')}-{each['Size']}") for each in parsed.get("Contents", ()))
    return Listing(found, parsed.get("NextContinuationToken", ""))


def _signed(operation: str, **parameters: object) -> str:
    return str(_client(settings.S3).generate_presigned_url(operation, Params=parameters, ExpiresIn=EXPIRES_S))


@cache
def _client(given: S3) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        region_name=given.region,
        endpoint_url=given.endpoint or None,
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token or None,
        # Stores of one's own answer to no bucket.host names. The environment is read in one place, not by botocore too.
        config=Config(
            signature_version="s3v4", ignore_configured_endpoint_urls=True, s3={"addressing_style": "path" if given.endpoint else "auto"}
        ),
    )


def _place(url: str) -> tuple[str, str]:
    """A key stands in the address as it is, not percent-encoded, as AWS writes them; without dots that lead elsewhere."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not BUCKET.fullmatch(bucket) or not key or {".", ".."} & set(key.split("/")):
        raise EgressError("An address in S3 is written s3://bucket/key.", "refused")
    return bucket, key
