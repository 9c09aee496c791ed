"""OKX's refusals: codes, HTTP statuses and messages.

Source: the error code tables of OKX's API documentation. A message with `{0}` is filled by the caller.
`OkxError` refuses a whole request; the same exception raised for one order of a batch becomes that order's
`sCode` and `sMsg`.
"""

MESSAGES: dict[str, tuple[int, str]] = {
    "50000": (400, "Body for POST request cannot be empty."),
    "50001": (503, "Service temporarily unavailable. Please try again later."),
    "50002": (400, "JSON syntax error"),
    "50004": (
        400,
        "API endpoint request timeout. (does not mean that the request was successful or failed, "
        "please check the request result).",
    ),
    "50006": (400, 'Invalid Content-Type. Please use "application/JSON".'),
    "50011": (429, "Too Many Requests"),
    "50013": (429, "Systems are busy. Please try again later."),
    "50014": (400, "Parameter {0} can not be empty."),
    "50015": (400, "Either parameter {0} or {1} is required"),
    "50026": (500, "System error. Try again later"),
    "50030": (200, "You don't have permission to use this API endpoint"),
    "50036": (
        200,
        "The expTime can't be earlier than the current system time. Please adjust the expTime and try again.",
    ),
    "50044": (200, "Must select one broker type"),
    "50102": (401, "Timestamp request expired."),
    "50103": (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50111": (401, "Invalid OK-ACCESS-KEY."),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": (401, "Invalid Sign"),
    "50115": (405, "Invalid request method."),
    "51000": (400, "Parameter {0} error"),
    "51001": (200, "Instrument ID, Instrument ID code or Spread ID doesn't exist."),
    "51003": (200, "Either client order ID or order ID is required."),
    "51006": (200, "Order price is not within the price limit (max buy price: {0} , min sell price: {1} )"),
    "51008": (200, "Order failed. Insufficient {0} margin in account "),
    "51010": (200, "Request unsupported under current account mode"),
    "50024": (200, "Parameter {0} and {1} can not exist at the same time."),
    "50061": (200, "You've reached the maximum order rate limit for this account."),
    "50071": (200, "{0} already exists"),
    "50110": (401, "Your IP {0} is not included in your API key's IP whitelist."),
    "50119": (200, "API key doesn't exist"),
    "50120": (200, "This API key doesn't have permission to use this function"),
    "51088": (200, "You can only place 1 TP/SL order to close an entire position"),
    "51016": (200, "Client order ID already exists."),
    "51020": (200, "Your order should meet or exceed the minimum order amount."),
    "51022": (200, "Contract suspended."),
    "51023": (200, "Position doesn't exist."),
    "51046": (200, "The take profit trigger price must be higher than the order price"),
    "51047": (200, "The stop loss trigger price must be lower than the order price"),
    "51048": (200, "The take profit trigger price must be lower than the order price"),
    "51049": (200, "The stop loss trigger price must be higher than the order price"),
    "51050": (200, "The take profit trigger price must be higher than the best ask price"),
    "51051": (200, "The stop loss trigger price must be lower than the best ask price"),
    "51052": (200, "The take profit trigger price must be lower than the best bid price"),
    "51053": (200, "The stop loss trigger price must be higher than the best bid price"),
    "51065": (200, "algoClOrdId already exists."),
    "51068": (200, "{0} already exists within algoClOrdId and attachAlgoClOrdId."),
    "51100": (
        200,
        "Unable to place order. Take profit/Stop loss conditions cannot be added to reduce-only orders.",
    ),
    "51101": (200, "Order failed, the sz of the current order can’t be more than {0} (contracts)."),
    "51102": (
        200,
        "Order failed, the number of pending orders for this instId can’t be more than {0} (orders)",
    ),
    "51071": (200, "You've reached the maximum limit for tag level cancel all after timers."),
    "51103": (
        200,
        "Order failed, the number of pending orders across all instIds under the current instFamily can’t be more "
        "than {0} (orders)",
    ),
    "51112": (200, "Close order size exceeds available size for this position."),
    "51174": (200, "Order failed, number of pending orders for {0} exceed the limit of {1}."),
    "51111": (200, "Maximum {0} orders can be placed in bulk."),
    "51115": (429, "Cancel all pending close-orders before liquidation."),
    "51121": (200, "Order quantity must be a multiple of the lot size."),
    "51149": (
        500,
        "Order timed out. Please try again. (does not mean that the request was successful or failed, "
        "please check the request result)",
    ),
    "51169": (
        200,
        "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
    ),
    "51170": (
        200,
        "Failed to place order. A reduce-only order can’t be the same trading direction as your existing positions.",
    ),
    "51202": (200, "Market order amount exceeds the maximum amount."),
    "51277": (200, "TP trigger price cannot be higher than the last price."),
    "51278": (200, "SL trigger price cannot be lower than the last price."),
    "51279": (200, "TP trigger price cannot be lower than the last price."),
    "51280": (200, "SL trigger price cannot be higher than the last price."),
    "51300": (200, "TP trigger price cannot be higher than the mark price"),
    "51302": (200, "SL trigger price cannot be lower than the mark price"),
    "51303": (200, "TP trigger price cannot be lower than the mark price"),
    "51304": (200, "SL trigger price cannot be higher than the mark price"),
    "51305": (200, "TP trigger price cannot be higher than the index price"),
    "51306": (200, "SL trigger price cannot be lower than the index price"),
    "51307": (200, "TP trigger price cannot be lower than the index price"),
    "51308": (200, "SL trigger price cannot be higher than the index price"),
    "51328": (200, "closeFraction is only available for reduceOnly orders"),
    "51330": (200, "closeFraction is only available for stop market orders"),
    "51331": (200, "closeFraction is only available for close position orders"),
    "51521": (
        200,
        "Failed to edit. Unable to edit reduce-only order because you don't have any positions of this contract.",
    ),
    "51400": (
        200,
        "Order cancellation failed as the order has been filled, canceled or does not exist.",
    ),
    "51406": (400, "Canceled - order count exceeds the limit {0}."),
    "51407": (200, "Either order ID or client order ID is required."),
    "51500": (200, "You must enter a price, quantity, or TP/SL"),
    "51501": (400, "Maximum {0} orders can be modified."),
    "51503": (200, "Your order has already been filled or canceled."),
    "51506": (200, "Order modification unavailable for the order type."),
    "51527": (200, "Order modification unsuccessful. The stop order does not exist."),
    "51603": (200, "Order does not exist."),
    "59000": (200, "Settings failed. Close any open positions or orders before modifying settings."),
    "59101": (
        200,
        "Leverage can't be modified. Please cancel all pending isolated margin orders before adjusting the leverage.",
    ),
    "59102": (200, "Leverage exceeds the maximum limit. Please lower the leverage."),
    "59105": (400, "Leverage can't be less than {0}. Please increase the leverage."),
    "59107": (
        200,
        "Leverage can't be modified. Please cancel all pending cross-margin orders before adjusting the leverage.",
    ),
    "59109": (
        200,
        "Account equity less than the required margin amount after adjustment. Please adjust the leverage.",
    ),
    "59300": (200, "Margin call failed. Position does not exist."),
    "59301": (200, "Margin adjustment failed for exceeding the max limit."),
    "59668": (
        200,
        "Cancel isolated margin TP/SL, trailing, trigger, and chase orders or stop bots before "
        "adjusting your leverage.",
    ),
    "59669": (
        200,
        "Cancel cross-margin TP/SL, trailing, trigger, and chase orders or stop bots before adjusting your leverage.",
    ),
}


class OkxError(Exception):
    """A refusal in OKX's words. `status` is the HTTP status when the refusal ends a whole request."""

    def __init__(self, code: str, *args: str, message: str | None = None, status: int | None = None) -> None:
        known_status, template = MESSAGES.get(code, (200, "Operation failed."))
        self.code = code
        self.status = known_status if status is None else status
        self.message = template.format(*args) if message is None else message
        super().__init__(f"{code} {self.message}")


def bad_parameter(name: str) -> OkxError:
    """51000 for `name`. The two blanks are what the real exchange sends."""
    return OkxError("51000", message=f"Parameter {name}  error")


class StartRefused(Exception):
    """The process cannot start for a reason the user can mend; one line says what it is."""
