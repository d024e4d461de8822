"""An Amazon SQS queue as a feed: long polls, and deletes what is durable.

A message handed over and not yet deleted comes again after the queue's visibility timeout, so a
crash in between costs nothing: the same MessageId is the same message. A refused one is left: the
queue's own redrive policy moves it to its dead-letter queue.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from gateway.config.feeds import SqsFeedConfig
from gateway.feeds.contract import Answer, FeedTrouble, Fetched, HandOver

BATCH: Final = 10  # the most a poll returns and a batch request names
PAUSE_S: Final = 2.0  # after a poll with something that cannot be taken now

# What AWS calls a fault -> what the log calls it.
_CODES: Final = {
    "AWS.SimpleQueueService.NonExistentQueue": "queue-missing",
    "QueueDoesNotExist": "queue-missing",
    "AccessDenied": "access-denied",
    "AccessDeniedException": "access-denied",
    "InvalidClientTokenId": "access-denied",
    "SignatureDoesNotMatch": "access-denied",
    "ExpiredToken": "access-denied",
    "RequestThrottled": "throttled",
    "ThrottlingException": "throttled",
}


class _Sqs(Protocol):
    async def receive_message(self, **named: object) -> dict[str, Any]: ...
    async def delete_message_batch(self, **named: object) -> dict[str, Any]: ...
    async def change_message_visibility_batch(self, **named: object) -> dict[str, Any]: ...


class SqsFeed:
    """One queue. Reads at most ten messages at once and settles them before it reads on."""

    def __init__(self, config: SqsFeedConfig) -> None:
        self._config = config
        self._session = get_session()  # kept: it remembers the service's description once read

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._config.name

    async def run(self, hand_over: HandOver) -> None:
        """Poll until cancelled.

        Raises:
            FeedTrouble: queue-missing, access-denied, no-credentials, throttled, unreachable, or
                sqs-refused for what has no code of its own here.
        """
        try:
            async with self._connected() as client:
                while True:
                    await self._poll(client, hand_over)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise FeedTrouble(_CODES.get(code, "sqs-refused")) from None
        except NoCredentialsError:
            raise FeedTrouble("no-credentials") from None
        except (BotoCoreError, OSError, TimeoutError):
            raise FeedTrouble("unreachable") from None

    async def close(self) -> None:
        """Do nothing: the connection is closed when `run` ends."""

    def _connected(self) -> AbstractAsyncContextManager[_Sqs]:
        client: AbstractAsyncContextManager[_Sqs] = self._session.create_client(
            "sqs",
            region_name=self._config.region,
            endpoint_url=self._config.endpoint_url,
            config=AioConfig(
                connect_timeout=10,
                read_timeout=self._config.wait_s + 10,
                retries={"total_max_attempts": 2, "mode": "standard"},
            ),
        )
        return client

    async def _poll(self, client: _Sqs, hand_over: HandOver) -> None:
        reply = await client.receive_message(
            QueueUrl=self._config.queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=self._config.wait_s,
        )
        messages: list[dict[str, Any]] = reply.get("Messages", [])
        answers = await asyncio.gather(*(hand_over(_fetched(one)) for one in messages))
        await self._settle(client, messages, answers)
        if any(answer.verdict == "later" for answer in answers):
            await asyncio.sleep(PAUSE_S)
        elif not messages and self._config.wait_s == 0:
            await asyncio.sleep(1)

    async def _settle(
        self, client: _Sqs, messages: Sequence[dict[str, Any]], answers: Sequence[Answer]
    ) -> None:
        """Delete what is durable, and say when to offer again what cannot be taken now.

        What a batch reply lists as failed is offered again, and then is a repeat.
        """
        verdicts = [answer.verdict for answer in answers]
        accepted = _entries(messages, verdicts, "accepted")
        if accepted:
            await client.delete_message_batch(QueueUrl=self._config.queue_url, Entries=accepted)
        later = _entries(messages, verdicts, "later")
        if later:
            again = {"VisibilityTimeout": self._config.retry_after_s}
            await client.change_message_visibility_batch(
                QueueUrl=self._config.queue_url, Entries=[one | again for one in later]
            )


def _fetched(message: dict[str, Any]) -> Fetched:
    """Return a message as it is; an SNS envelope around it is for the adapter to read."""
    return Fetched(message_id=message["MessageId"], body=message["Body"].encode())


def _entries(
    messages: Sequence[dict[str, Any]], verdicts: Sequence[str], wanted: str
) -> list[dict[str, Any]]:
    return [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
        for index, (message, verdict) in enumerate(zip(messages, verdicts, strict=True))
        if verdict == wanted
    ]
