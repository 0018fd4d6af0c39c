"""A classifier behind an address of HTTP as a target.  docs/targets.md has the JSON that it must speak."""

import time
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from textsem.protocols import TargetError
from textsem.targets.answers import ClassOrder, read_rows
from textsem.targets.http_endpoint import HttpConfig, JsonEndpoint
from textsem.targets.http_refusals import EndpointError

__all__ = ["HttpTarget"]

# A pair that no classifier can fail at: where it is answered, a failure before was the fault of other rows.
_PLAIN_PAIR = ("A man is sleeping.", "A person rests.")


class HttpTarget:
    """Ask an endpoint for the classes of pairs.

    It is asked for no pair at all first: that names its classes, and shows that it is there before a run begins.

    Args:
        url: http or https.  Never put a secret in it: settings of runs keep it.
        batch_size: Most pairs in one request.
        label_order: Names of the classes in the endpoint's order, three or two, where its answers do not name them or
            only number them.
        config: Time-outs and retries; the bearer token's environment variable.
        sleep: Waits between attempts.

    Attributes:
        rows_retried: Rows that left more often than they were asked for: repeats after failures, redirects, and the
            plain pair that tells whose fault a failure was.

    Raises:
        TargetError: If the endpoint does not answer, or does not speak as it should.
        ValueError: If the URL is no good, or would carry the token unencrypted.
    """

    def __init__(
        self,
        url: str,
        *,
        batch_size: int = 64,
        label_order: Sequence[str] | None = None,
        config: HttpConfig | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"expected batch_size >= 1, got {batch_size}")
        self.batch_size = batch_size
        self.rows_retried = 0
        self._endpoint = JsonEndpoint(url, config or HttpConfig(), sleep=sleep)
        self._label_order = label_order
        self._order = None if label_order is None else ClassOrder.of(label_order)
        self._order, _ = self._read(self._endpoint.post(_request([])), num_rows=0)
        self.label_names: tuple[str, ...] = self._order.label_names

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes] (one-hot of labels), float32 on the CPU, ordered as ``label_names``.

        Raises:
            TargetError: If the endpoint fails at any pair, or answers something else than it should.
            ValueError: If a row is at fault: its probabilities are none, or it makes an endpoint fail that answers
                other pairs.
        """
        pairs = list(zip(premises, hypotheses, strict=True))
        answers = [torch.empty(0, len(self.label_names))]
        for start in range(0, len(pairs), self.batch_size):
            answers.append(self._ask(pairs[start : start + self.batch_size], first_row=start))
        return torch.cat(answers)

    def _ask(self, pairs: Sequence[tuple[str, str]], *, first_row: int) -> Tensor:
        """Return the answer to one request; ``first_row`` is the place of its first pair in what was asked."""
        try:
            answer = self._post(pairs)
        except EndpointError as error:
            if not error.may_be_the_rows or not self._answers_plain_pair():
                raise
            rows = f"rows {first_row} to {first_row + len(pairs) - 1}"
            raise ValueError(f"{error} ({rows}; another pair is answered)") from error
        order, probabilities = self._read(answer, num_rows=len(pairs), first_row=first_row)
        if order.label_names != self.label_names:
            classes = " and ".join(", ".join(names) for names in (self.label_names, order.label_names))
            raise TargetError(f"expected the same classes in each answer of {self._endpoint.name}, got {classes}")
        return probabilities

    def _post(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """Return the answer as it came; whatever left after the first time was sent again."""
        sent_before = self._endpoint.times_sent
        try:
            return self._endpoint.post(_request(pairs))
        finally:
            self.rows_retried += len(pairs) * max(0, self._endpoint.times_sent - sent_before - 1)

    def _answers_plain_pair(self) -> bool:
        sent_before = self._endpoint.times_sent
        try:
            self._read(self._endpoint.post(_request([_PLAIN_PAIR]), max_attempts=1), num_rows=1)
        except (TargetError, ValueError):
            return False
        finally:
            self.rows_retried += self._endpoint.times_sent - sent_before
        return True

    def _read(self, answer: Any, *, num_rows: int, first_row: int = 0) -> tuple[ClassOrder, Tensor]:
        """Return the classes of an answer and its probabilities in our order of them."""
        name = self._endpoint.name
        kind = next((kind for kind in ("probabilities", "labels") if isinstance(answer, dict) and kind in answer), None)
        if kind is None:
            came = f"the keys {repr(sorted(answer))[:100]}" if isinstance(answer, dict) else type(answer).__name__
            raise TargetError(f'expected {name} to answer {{"label_names": ..., "probabilities": ...}}, got {came}')
        order, rows = self._order_of(answer.get("label_names"), kind), answer[kind]
        if not isinstance(rows, list) or not all(
            map(_is_probabilities if kind == "probabilities" else _is_label, rows)
        ):
            wanted = "lists of numbers" if kind == "probabilities" else "names"
            raise TargetError(f"expected {name} to answer a list of {wanted} as {kind}, got {repr(rows)[:100]}")
        if kind == "labels":
            unknown = [label for label in rows if label is not None and order.place(label) is None]
            if unknown:
                raise TargetError(
                    f"expected {name} to answer labels of {', '.join(order.label_names)}, got {unknown[0][:50]!r}: if "
                    "it has other classes, it must answer label_names, or you pass label_order (--label-order)"
                )
        try:
            return order, read_rows(rows, order, num_rows=num_rows, first_row=first_row)
        except TargetError as error:
            raise TargetError(f"{name}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _order_of(self, names: Any, kind: str) -> ClassOrder:
        """Return the meaning of an answer's classes: its own names, else what is known; labels speak for themselves."""
        if names is None:
            if self._order is None and kind == "probabilities":
                raise TargetError(
                    f"expected {self._endpoint.name} to answer label_names beside its probabilities; where it cannot, "
                    "pass label_order (--label-order), the names in the order of its columns"
                )
            return self._order or ClassOrder()
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TargetError(
                f"expected {self._endpoint.name} to answer a list of label_names, got {repr(names)[:100]}"
            )
        try:
            return ClassOrder.of(names, self._label_order)
        except ValueError as error:
            raise TargetError(f"{self._endpoint.name}: {error}") from error


def _request(pairs: Sequence[tuple[str, str]]) -> dict[str, list[dict[str, str]]]:
    return {"pairs": [{"premise": premise, "hypothesis": hypothesis} for premise, hypothesis in pairs]}


def _is_label(row: object) -> bool:
    return row is None or isinstance(row, str)


def _is_probabilities(row: object) -> bool:
    return row is None or (isinstance(row, list) and all(_is_number(value) for value in row))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))
