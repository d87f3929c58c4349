"""Users of the S3 server who may do only what a policy says.

moto checks signatures then, and each request's action and resource. It knows no conditions in policies, and asks for no
right to the tags or the key that a request names: AWS wants `s3:PutObjectTagging` and `kms:...` for these.
"""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import boto3

__all__ = ["Rights", "allowing"]


def allowing(*actions: str) -> dict[str, Any]:
    """Return a policy that allows these on everything."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }


class Rights:
    """The users of a server.

    Args:
        s3_url: Where it is.
    """

    def __init__(self, s3_url: str) -> None:
        self._url = s3_url

    def user(self, policy: Mapping[str, Any]) -> boto3.Session:
        """Make a user who has only this policy; to be called while rights are not enforced."""
        iam = boto3.Session("AKIATEST", "test-secret", region_name="us-east-1").client("iam", endpoint_url=self._url)
        name = f"user-{uuid4().hex[:12]}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        iam.close()
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Let the server refuse what nobody allowed, also to those who made the buckets."""
        self._enforce_after("0")
        try:
            yield
        finally:
            self._enforce_after("inf")

    def _enforce_after(self, requests: str) -> None:
        plain = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self._url}/moto-api/reset-auth", requests.encode(), plain)  # noqa: S310
        urllib.request.urlopen(request).close()  # noqa: S310
