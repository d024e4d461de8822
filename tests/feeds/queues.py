"""A real SQS endpoint on loopback (moto's server), its queues, and messages sent to them."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

REGION = "eu-west-2"


@contextlib.contextmanager
def queue_server(port: int = 0) -> Iterator["ThreadedMotoServer"]:
    """Serve until the block ends. A server's queues live as long as this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def endpoint(server: "ThreadedMotoServer") -> str:
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """State credentials the AWS way, for this process and those it starts."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue and the dead-letter queue beside it."""

    client: Any
    url: str
    dead: str

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self, url: str | None = None) -> int:
        """Return how many messages a queue holds, those under way among them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self.client.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)
        return sum(int(count) for count in reply["Attributes"].values())

    def dead_letters(self) -> list[str]:
        reply = self.client.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10)
        return [message["Body"] for message in reply.get("Messages", [])]


def make_queue(url: str, name: str, *, visible_after_s: int = 1, tries: int = 2) -> Queue:
    """Make a queue whose messages become dead letters after so many receives."""
    client = boto3.client("sqs", region_name=REGION, endpoint_url=url)
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": tries}
    made = client.create_queue(
        QueueName=name,
        Attributes={
            "VisibilityTimeout": str(visible_after_s),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    return Queue(client=client, url=made["QueueUrl"], dead=dead)


async def emptied(queue: Queue, *, within_s: float = 30.0) -> None:
    """Wait until a queue holds nothing any more."""
    async with asyncio.timeout(within_s):
        while await asyncio.to_thread(queue.left):  # noqa: ASYNC110 - a server empties it
            await asyncio.sleep(0.05)
