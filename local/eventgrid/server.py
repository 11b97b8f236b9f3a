"""A stand-in for Azure Event Grid: delivers Key Vault's events to webhooks, as reliably and as unreliably.

Followed, on Microsoft Learn: "Endpoint validation with Event Grid event schema" and "… with CloudEvents
schema", "Event Grid message delivery and retry".
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import httpx
import msgspec

from local.eventgrid.events import Delivery, Treatment, message, validation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from local.eventgrid.events import Result, SecretEvent, Subscription
    from local.support.tls import Authority

LOCAL_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)  # Azure: 10 s to 12 h, for a day
RESPONSE_LIMIT_SECONDS = 30.0
_SUCCESS = range(200, 205)
_FINAL = frozenset({400, 401, 403, 413})
_ORIGIN = "eventgrid.azure.net"


class HandshakeFailed(Exception):
    """The endpoint did not prove that it wants the events; no subscription was made."""


class EventGrid:
    """Delivers events on a thread of its own, inside its `with` block.

    Args:
        authority: signed the certificates of HTTPS endpoints.
        retry_seconds: waits between attempts; after the last the event is dropped.
        response_limit: seconds in which an endpoint must answer.
        clock: seconds since 1970.
        watch: called with every line of the log as it is written, on the delivering thread.
    """

    def __init__(
        self,
        *,
        authority: Authority | None = None,
        retry_seconds: Sequence[float] = LOCAL_RETRY_SECONDS,
        response_limit: float = RESPONSE_LIMIT_SECONDS,
        clock: Callable[[], float] = time.time,
        watch: Callable[[Delivery], None] = lambda _: None,
    ) -> None:
        trust = ssl.create_default_context(cafile=authority.ca_file) if authority else True
        self._client = httpx.AsyncClient(verify=trust, timeout=response_limit, trust_env=False)
        self._retry_seconds = tuple(retry_seconds)
        self._response_limit = response_limit
        self._clock = clock
        self._watch = watch
        self._changed = threading.Condition()
        self._log: list[Delivery] = []
        self._under_way = 0
        self._held: list[Delivery] = []
        self._subscriptions: dict[str, Subscription] = {}
        self._treatment = Treatment()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event-grid", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def subscribe(self, subscription: Subscription) -> None:
        """Perform the handshake with the endpoint, then deliver to it.

        Raises:
            HandshakeFailed: it did not answer, or answered wrongly.
        """
        shake = self._ask_origin if subscription.schema == "CloudEventSchemaV1_0" else self._send_code
        asyncio.run_coroutine_threadsafe(shake(subscription), self._loop).result()
        with self._changed:
            self._subscriptions[subscription.name] = subscription

    def unsubscribe(self, name: str) -> None:
        """Stop delivering to it, as happens when a vault is deleted and recovered."""
        with self._changed:
            self._subscriptions.pop(name, None)

    def treat(self, treatment: Treatment) -> None:
        """Apply this treatment to events from now on."""
        with self._changed:
            self._treatment = treatment

    def publish(self, event: SecretEvent) -> None:
        """Deliver the event to every subscription; returns at once."""
        with self._changed:
            treatment, subscriptions = self._treatment, tuple(self._subscriptions.values())
        now, identifier = self._clock(), str(uuid.uuid4())
        for subscription in subscriptions:
            delivery = Delivery(event, subscription, identifier, now, now)
            if treatment.copies == 0:
                self._record(delivery)
            for _ in range(treatment.copies):
                self._send(delivery, treatment)

    def release(self, *, turned_around: bool = False) -> None:
        """Stop holding, and deliver what was held one by one, oldest or newest first."""
        with self._changed:
            held, self._held, self._treatment = self._held, [], Treatment()
            self._under_way += len(held)
        ordered = held[::-1] if turned_around else held
        asyncio.run_coroutine_threadsafe(self._deliver_in_turn(ordered), self._loop)

    def log(self) -> tuple[Delivery, ...]:
        """Every attempt so far, and every drop."""
        with self._changed:
            return tuple(self._log)

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until nothing is under way, which held events are not; False on time-out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, timeout)

    def _send(self, delivery: Delivery, treatment: Treatment) -> None:
        with self._changed:
            if treatment.hold:
                self._held.append(delivery)
                return
            self._under_way += 1
        asyncio.run_coroutine_threadsafe(self._deliver(delivery, treatment.delay), self._loop)

    async def _deliver_in_turn(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await self._deliver(delivery, 0.0)

    async def _deliver(self, delivery: Delivery, delay: float) -> None:
        try:
            for number, wait in enumerate((delay, *self._retry_seconds), start=1):
                await asyncio.sleep(wait)
                tried = await self._attempt(replace(delivery, attempt=number))
                self._record(tried)
                if tried.result != "retrying":
                    return
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    async def _attempt(self, delivery: Delivery) -> Delivery:
        body, headers = message(delivery)
        try:
            async with asyncio.timeout(self._response_limit):
                answer = await self._client.post(delivery.subscription.endpoint, content=body, headers=headers)
        except (httpx.HTTPError, TimeoutError):
            return replace(delivery, at=self._clock(), result=self._after_failure(delivery))
        result: Result = "delivered" if answer.status_code in _SUCCESS else self._after_failure(delivery)
        if answer.status_code in _FINAL:
            result = "refused"
        return replace(delivery, at=self._clock(), status=answer.status_code, result=result)

    def _after_failure(self, delivery: Delivery) -> Result:
        return "retrying" if delivery.attempt <= len(self._retry_seconds) else "expired"

    def _record(self, delivery: Delivery) -> None:
        with self._changed:
            self._log.append(delivery)
            self._changed.notify_all()
        self._watch(delivery)

    async def _send_code(self, subscription: Subscription) -> None:
        """Handshake of the Event Grid schema: the endpoint returns the code."""
        code = str(uuid.uuid4())
        body, headers = validation(subscription, code, self._clock())
        answer = await self._shake("POST", subscription, content=body, headers=headers)
        if answer.status_code != httpx.codes.OK or _validation_response(answer) != code:
            raise HandshakeFailed(f"{subscription.endpoint} did not return the validation code")

    async def _ask_origin(self, subscription: Subscription) -> None:
        """Handshake of CloudEvents webhooks: the endpoint allows the origin."""
        headers = {"WebHook-Request-Origin": _ORIGIN}
        answer = await self._shake("OPTIONS", subscription, headers=headers)
        if not answer.is_success or answer.headers.get("WebHook-Allowed-Origin") not in ("*", _ORIGIN):
            raise HandshakeFailed(f"{subscription.endpoint} does not allow the origin {_ORIGIN}")

    async def _shake(
        self, verb: str, subscription: Subscription, *, headers: dict[str, str], content: bytes = b""
    ) -> httpx.Response:
        try:
            return await self._client.request(verb, subscription.endpoint, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise HandshakeFailed(f"{subscription.endpoint} did not answer") from error

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()


def _validation_response(answer: httpx.Response) -> object:
    try:
        return msgspec.json.decode(answer.content, type=dict[str, object]).get("validationResponse")
    except msgspec.DecodeError:
        return None
