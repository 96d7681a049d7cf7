"""The emulator's answer to `POST /auth/register/device`, from what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import registration, rules
from .store import DISABLED, Store


@dataclass(frozen=True)
class Decision:
    """The reply's code; `data` where a secret is given out, else `reason`, which is not sent."""

    code: int
    data: dict[str, str] | None = field(default=None, repr=False)
    reason: str | None = None


def register(
    store: Store,
    headers: dict[str, str],
    body: bytes | None,
    flaw: str,
    is_within_rate: Callable[[int], bool],
) -> Decision:
    """Give a device of a product a new secret, in the caller's transaction, or say why not.

    Who does not know the product's secret learns only whether there is such a product. A device
    may be asked for again until it has authenticated: the newest secret counts.

    Args: flaw: why there is no body; is_within_rate: tells by a number whether that product may
        ask now, or is throttled.
    """
    if body is None:
        return _refuse(registration.PARAMETER_ERROR, flaw or "the body is not as announced")
    content_type = headers.get("content-type")
    if not rules.has_type(content_type, registration.FORM_TYPE):
        shown = "missing" if content_type is None else repr(content_type[:60])
        return _refuse(
            registration.PARAMETER_ERROR,
            f"Content-Type is {shown}, not {registration.FORM_TYPE}",
        )
    try:
        form = registration.read_registration(body)
    except registration.RegistrationFlaw as error:
        return _refuse(registration.PARAMETER_ERROR, str(error))
    product = store.find_product(form.product_key)
    if product is None:
        return _refuse(
            registration.PRODUCT_UNKNOWN,
            f"product {form.product_key[:64]!r} has no secret here: create it under Products",
        )
    if not is_within_rate(-product.id):  # devices have the numbers above 0
        return _refuse(registration.THROTTLED, "more requests per second than this product may")
    if not form.is_signed_by(product.secret):
        return _refuse(
            registration.WRONG_SIGN,
            f"sign does not belong to this product's secret; it should be {form.sign_method}"
            f"(productSecret, {form.content.decode()!r}) in hex",
        )
    if not product.registration:
        return _refuse(
            registration.SWITCHED_OFF, "dynamic registration of this product is switched off"
        )
    device = store.find_device(form.product_key, form.device_name)
    if device is None:
        return _refuse(
            registration.DEVICE_UNKNOWN,
            f"deviceName {form.device_name[:64]!r} is not registered here",
        )
    if not device.enabled:
        return _refuse(registration.DEVICE_DISABLED, DISABLED)
    if device.activated:
        return _refuse(
            registration.ACTIVATED,
            "the device has authenticated with the secret it was given: reset it first",
        )
    data = {
        "productKey": form.product_key,
        "deviceName": form.device_name,
        "deviceSecret": store.give_secret(device),
    }
    return Decision(registration.REGISTERED, data)


def _refuse(code: int, reason: str) -> Decision:
    return Decision(code, reason=reason)
