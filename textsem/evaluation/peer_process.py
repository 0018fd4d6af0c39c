"""Another package's attack in a process of its own: JSON lines over a pipe, so that neither loads the other."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["PeerError", "PeerProcess"]

SECONDS_TO_END = 10.0
LOG_TAIL = 300


class PeerError(RuntimeError):
    """The peer's process is gone, or what it says is not in the language that was agreed on."""


class PeerProcess:
    """Start a program and speak with it in JSON lines; use as a context manager.

    Its first line is ``{"ready": facts}``; its standard error goes to a file.

    Args:
        command: Program and arguments.
        log: File for its standard error, begun anew.
        environment: Environment variables for it beside this process's own.

    Raises:
        PeerError: If it does not start, or ends before it is ready.
    """

    def __init__(
        self, command: Sequence[str], *, log: str | Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.failure: PeerError | None = None
        self._log = Path(log)
        # The order of a set of strings must not differ from run to run.
        variables = {**os.environ, "PYTHONHASHSEED": "0", **(environment or {})}
        try:
            with self._log.open("wb") as errors:
                self._process = subprocess.Popen(
                    list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=variables
                )
        except OSError as error:
            raise PeerError(f"expected a program at {command[0]!r} that runs, got {error}") from error
        try:
            facts = self.receive().get("ready")
            if not isinstance(facts, dict):
                raise self._fail("expected the peer to say ready first, got another message")
            self.facts: dict[str, Any] = facts
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PeerProcess":
        """Return the process itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            PeerError: If nobody reads it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._fail("expected the peer to listen") from error

    def receive(self) -> dict[str, Any]:
        """Wait for one line and return what it holds.

        Raises:
            PeerError: If the process has ended, or the line is no JSON object.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._fail("expected another message of the peer")
        try:
            message = json.loads(line)
        except ValueError as error:
            raise self._fail(f"expected a line of JSON from the peer, got {line[:60]!r}") from error
        if not isinstance(message, dict):
            raise self._fail(f"expected a JSON object from the peer, got {line[:60]!r}")
        return message

    def close(self) -> None:
        """Close the pipe, on which the process should end by itself; a second call does nothing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass  # it has ended, and a last line could not be delivered
        try:
            self._process.wait(SECONDS_TO_END if self.failure is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _fail(self, message: str) -> PeerError:
        """Remember that no further word can be had, and return the error that says so."""
        code = self._process.poll()
        if code is None:
            try:
                code = self._process.wait(1.0)  # a process that has closed its pipe takes a moment to end
            except subprocess.TimeoutExpired:
                code = None
        state = "it runs on" if code is None else f"it ended with code {code}"
        last = self._log.read_text(encoding="utf-8", errors="replace").strip()[-LOG_TAIL:]
        self.failure = PeerError(f"{message}: {state}; its last words: {last or 'none'}")
        return self.failure
