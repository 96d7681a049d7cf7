"""The console's JSON API for products, whose secret registers devices dynamically."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from .admin import Admin


class ProductView(BaseModel):
    """A product as the console shows it. Its secret is shown nowhere."""

    product_key: str
    registration: bool = Field(description="Dynamic registration is on.")
    devices: int
    activated: int = Field(
        description="Devices that have authenticated; registration refuses them."
    )


class NewProduct(BaseModel):
    """A product to register."""

    model_config = ConfigDict(extra="forbid")
    product_key: str
    product_secret: str = Field(default="", description="Empty: a new one of 32 hex digits.")


class NewProductView(BaseModel):
    """A new product with its secret."""

    product_key: str
    product_secret: str


class Switch(BaseModel):
    """What can be changed of a product."""

    model_config = ConfigDict(extra="forbid")
    registration: bool


class Names(BaseModel):
    """Devices to create."""

    model_config = ConfigDict(extra="forbid")
    names: list[str] = Field(max_length=10_000)


class Added(BaseModel):
    """How many devices are new."""

    added: int


def add_routes(app: FastAPI, admin: Admin) -> None:
    """Add the calls to the console's application; `admin` is used in the loop's own thread."""

    @app.get("/api/products")
    async def list_products() -> list[ProductView]:
        """Every product that has a secret here."""
        return [ProductView(**vars(row)) for row in admin.queries.products()]

    @app.post("/api/products", status_code=201)
    async def add_product(product: NewProduct) -> NewProductView:
        """Register a product, with dynamic registration on. The answer holds its secret."""
        try:
            secret = admin.add_product(product.product_key, product.product_secret)
        except ValueError as error:
            raise HTTPException(409 if "already" in str(error) else 422, str(error)) from error
        return NewProductView(product_key=product.product_key, product_secret=secret)

    @app.put("/api/products/{product_key}", status_code=204)
    async def change_product(product_key: str, switch: Switch) -> None:
        """Switch dynamic registration on or off."""
        admin.set_registration(product_key, switch.registration)

    @app.post("/api/products/{product_key}/names")
    async def add_names(product_key: str, names: Names) -> Added:
        """Create devices of the product; existing ones stay as they are."""
        try:
            return Added(added=admin.add_names(product_key, names.names))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
