"""One request to Perplexity's chat completions through its SDK, classified. Never retries: `brain.calls` does.

The SDK's own timeout is fifteen minutes and its retries are on; both are set here. It is imported with the first
request. The key lives in the SDK's client alone; should an error text repeat it, it is masked.
"""

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from brain.calls import Attempt
from brain.deadline import Abandoned, Connection
from brain.retry_after import seconds_from
from brain.wire import Malformed, parse_object, storable

if TYPE_CHECKING:
    from perplexity import APIStatusError

CONNECT_S = 5.0


class PerplexityProvider:
    """POST /chat/completions at `base_url`."""

    name = "perplexity"

    def __init__(self, api_key: SecretStr, base_url: str) -> None:
        self._api_key = api_key
        self._base_url = base_url

    def send(self, request: dict[str, Any], timeout_s: float, connection: Connection) -> Attempt:
        """One request. `timeout_s` bounds each socket operation; the caller bounds the whole."""
        import httpx
        import perplexity

        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        try:
            with perplexity.Perplexity(
                api_key=self._api_key.get_secret_value(), base_url=self._base_url, max_retries=0
            ) as client:
                connection.adopt(client)
                raw = client.chat.completions.with_raw_response.create(**request, timeout=timeout)
                return Attempt("ok", body=parse_object(raw.text()))
        except Abandoned:
            return Attempt("timeout", error="abandoned before it was sent")
        except Malformed as error:
            return Attempt("invalid", error=f"answer is {error}", maybe_billed=True)
        except perplexity.APITimeoutError:
            return Attempt("timeout", error="the API timed out", retry=True, maybe_billed=True)
        except perplexity.APIConnectionError as error:
            never_sent = isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)
            cause = type(error.__cause__).__name__
            return Attempt("error", error=f"no connection: {cause}", retry=True, maybe_billed=not never_sent)
        except perplexity.APIStatusError as error:
            return self._refused(error)
        except perplexity.PerplexityError as error:
            return Attempt("error", error=self._masked(f"{type(error).__name__}: {error}"), maybe_billed=True)
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            return Attempt("error", error=f"answer cut off: {type(error).__name__}", retry=True, maybe_billed=True)

    def _refused(self, error: "APIStatusError") -> Attempt:
        status = error.status_code
        text = self._masked(f"HTTP {status}: {error.message}")[:500]
        after = seconds_from(error.response.headers.get("retry-after"))
        if status == 429:
            return Attempt("rate_limited", error=text, retry=True, retry_after_s=after)
        if status >= 500:
            return Attempt("error", error=text, retry=True, retry_after_s=after, maybe_billed=True)
        return Attempt("error", error=text, retry=status in (408, 409), retry_after_s=after)

    def _masked(self, text: str) -> str:
        return str(storable(text.replace(self._api_key.get_secret_value(), "***")))
