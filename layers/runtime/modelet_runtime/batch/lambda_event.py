"""Lambda's events to messages: batches of a queue, of which some may fail, and direct calls."""

import gc
import sys
from time import monotonic
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from modelet_runtime.batch import messages
from modelet_runtime.batch.application import BatchApplication, Call
from modelet_runtime.errors import ClientError

# Threads that only pass work on take the lock at once: by default Python lets them wait 5 ms, which is
# longer than many a run of a graph.
sys.setswitchinterval(0.0005)
# Rows are lists and records without cycles, made by the thousand: looking for cycles after every 700 of
# them takes as long as parsing them.
gc.set_threshold(100_000, 50, 100)

_logger = Logger(service="modelet-batch")


class Context(Protocol):
    """What is used of Lambda's context object."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out."""
        ...


def answer(application: BatchApplication, event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Handle one event.

    Returns:
        Of a queue's batch, the messages to deliver again; of a call, its answer.
    """
    deadline_s = monotonic() + context.get_remaining_time_in_millis() / 1000
    if "Records" not in event:
        message = messages.parse(event)
        return {"state": "ignored"} if message is None else _handled(application, message, Call(deadline_s))

    call = Call(deadline_s, from_queue=True)
    handled: list[str] = []

    def handle(record: SQSRecord) -> None:  # Powertools passes it by this name
        # The first message of a call is always begun, or a short time limit would pass it on for ever.
        if handled and application.postpone(record.body, call):
            return
        handled.append(record.message_id)
        try:
            message = messages.parse_text(record.body)
            if message is not None:
                _handled(application, message, call)
        except ClientError as error:
            # The same message would fail again: it is dropped, and the log says why.
            _logger.error("refused", extra={"code": error.code, "error": str(error)})
        except Exception as error:
            _logger.error("failed", extra={"exception": type(error).__qualname__, "error": str(error)[:500]})
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    found: Any = process_partial_response(event, handle, processor)
    return dict(found)


def _handled(application: BatchApplication, message: messages.Message, call: Call) -> dict[str, Any]:
    done = application.handle(message, call)
    # An alarm counts these lines whose state is `failed`.
    _logger.info("handled", extra={"action": message.action, **done})
    return done
