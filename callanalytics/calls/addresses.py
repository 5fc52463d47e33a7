"""Where a recording lies that is to be fetched: which addresses are taken, what is shown of them, and when two are the same."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from django.conf import settings

from callanalytics.calls import s3
from callanalytics.egress import URL, EgressError, Policy
from callanalytics.errors import ApplicationError

LONGEST = 4000
SHOWN = 500
SIGNED = (
    (
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
    ),
    ("x-goog-algorithm", "x-goog-credential", "x-goog-date", "x-goog-expires", "x-goog-signedheaders", "x-goog-signature"),
    ("awsaccesskeyid", "googleaccessid", "expires", "signature", "policy", "key-pair-id"),
    ("se", "sig", "ske", "skoid", "sks", "skt", "sktid", "skv", "sp", "spr", "sr", "st", "sv"),
)
"""Query fields of a signature: AWS Signature 4, Google's V4, older AWS, Google and CloudFront, Azure's shared access."""
MARKS = ("x-amz-signature", "x-goog-signature", "signature", "sig")
"""The field that tells of each that it is one."""


def check(url: str, team: str) -> None:
    """Raises ApplicationError for an address that nothing would ever be fetched from, for a call of this team."""
    try:
        if len(url) > LONGEST:
            raise EgressError(f"The address is longer than {LONGEST} characters.", "refused")
        if url.startswith(s3.SCHEME):
            s3.check(url, team)
        else:
            Policy.of(settings.EGRESS_ALLOW).check_given(url)
    except EgressError as error:
        raise ApplicationError(error.message, field="url") from error


def shown(url: str) -> str:
    """Scheme, host and path: a query may hold a signature."""
    if url.startswith(s3.SCHEME):
        return url[:SHOWN]
    parsed = URL(url)
    return str(parsed.copy_with(query=None, fragment=None))[:SHOWN]


def digest(url: str) -> str:
    """The same for one address with two signatures; whatever else a query holds tells one recording from another."""
    if url.startswith(s3.SCHEME):
        return hashlib.sha256(url.encode()).hexdigest()
    parsed = URL(url)
    given = {name.lower() for name in parsed.params}
    dropped = {name for mark, names in zip(MARKS, SIGNED, strict=True) if mark in given for name in names}
    kept = [(name, value) for name, value in parsed.params.multi_items() if name.lower() not in dropped]
    bare = str(parsed.copy_with(query=None, fragment=None))
    return hashlib.sha256(repr((bare, kept)).encode()).hexdigest()


def file_name(url: str) -> str:
    """What people read in a list where the caller gave no name."""
    path = url if url.startswith(s3.SCHEME) else URL(url).path
    return PurePosixPath(path).name[:255] or "recording"
