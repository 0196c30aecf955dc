"""An integration as a user would write it, for tests of the kit."""

import flowtrail


def handle(order: str, country: str = "DE", stock: dict[str, int] | None = None) -> None:
    with flowtrail.transaction("order", order, keys={"customer": "C-9"}) as transaction:
        with transaction.block("validate", stage="ingress") as block:
            block.detail(lines=3)
            if country != "DE":
                block.skip("allowed_country", expected=["DE"], actual=country)
                transaction.filter("allowed_country")
                return
        with transaction.block("map"):
            (stock or {"sku": 1})["sku"]
        with transaction.block("deliver", stage="egress"):
            pass
