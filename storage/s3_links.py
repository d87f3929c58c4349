"""Links to objects of a bucket, for those that have no public address."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect_octopusx.storage.links import Link, console_link
from prefect_octopusx.storage.s3_client import S3Options, is_aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["s3_link"]


def s3_link(client: "S3Client", options: S3Options, key: str) -> Link | None:
    """Return a presigned link if they are asked for, else AWS's own page about the object, else None.

    Asks nobody, unless there is a metadata service with the credentials. Blocks then.

    Raises:
        botocore.exceptions.BotoCoreError: There are no credentials to sign with.
    """
    if options.presigned_link_hours is not None:
        life = timedelta(hours=options.presigned_link_hours)
        until = datetime.now(UTC) + life
        target = {"Bucket": options.bucket, "Key": key}
        url = client.generate_presigned_url("get_object", Params=target, ExpiresIn=int(life.total_seconds()))
        return Link(url, "presigned", until)
    return console_link(options.bucket, key, _region(client, options)) if is_aws(client) else None


def _region(client: "S3Client", options: S3Options) -> str | None:
    found = options.region or client.meta.region_name
    return None if found == "aws-global" else found
