"""What the demo shop sells: a small outfitter with a coffee bar."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random

from domain.catalog import NewProduct, NewVariant, ProductStatus
from domain.kernel.external import ExternalId
from domain.kernel.money import CurrencyCode, Money

SYSTEM_NAME = "demo"
"""The name under which its ids are kept."""

USD = CurrencyCode("USD")

_SIZES = ("S", "M", "L", "XL")
_BAGS = ("250 g", "1 kg")


@dataclass(frozen=True)
class _Article:
    """A product of the demo. Its variants cost `price`, and each one after the first `step` more."""

    code: str
    name: str
    description: str
    price: str
    variants: tuple[str, ...] = ()
    step: str = "0"
    status: ProductStatus = ProductStatus.ACTIVE


_ARTICLES = [
    _Article("TENT", "Ridgeline Tent", "Three seasons, two doors, a full fly.", "289.00", ("2P", "3P"), "60"),
    _Article("BAG", "Drift Sleeping Bag", "Down bag, comfortable to -4 °C.", "219.00", ("Regular", "Long"), "20"),
    _Article("MAT", "Cloud Sleeping Mat", "Insulated, 9 cm thick, 480 g.", "119.00", ("Regular", "Wide"), "20"),
    _Article("PACK", "Traverse Backpack", "For days out, with a rain cover.", "139.00", ("28 L", "38 L", "48 L"), "25"),
    _Article("DRY", "Cove Dry Bag", "Roll-top bag that floats.", "19.50", ("5 L", "10 L", "20 L"), "6"),
    _Article("LAMP", "Beacon Headlamp", "400 lumens, charged by USB-C.", "49.95", ("Black", "Orange")),
    _Article("STOVE", "Ember Stove", "Folding canister stove with piezo lighter.", "64.00"),
    _Article("POT", "Ember Pot Set", "Two nesting pots of anodized aluminum.", "58.00", ("2 pers.", "4 pers."), "22"),
    _Article("BOTTLE", "Steel Bottle", "Keeps cold for a day.", "29.00", ("500 ml", "750 ml", "1 l"), "5"),
    _Article("FILTER", "Spring Water Filter", "Squeeze filter, 0.1 micron.", "39.95"),
    _Article("SHELL", "Squall Rain Jacket", "Waterproof and breathable, taped seams.", "179.00", _SIZES),
    _Article("FLEECE", "Harbor Fleece", "Recycled grid fleece with a chest pocket.", "89.00", _SIZES),
    _Article("TEE", "Tidewater Tee", "Organic cotton with our wave on the back.", "28.00", ("XS", *_SIZES, "XXL")),
    _Article("SOCK", "Trail Socks", "Merino blend, cushioned heel.", "18.00", ("S/M", "L/XL")),
    _Article("CAP", "Waterline Cap", "Six panels, one size.", "26.00", ("Navy", "Sand", "Moss")),
    _Article("POLE", "Summit Trekking Poles", "A pair of carbon, foldable.", "129.00", ("110 cm", "120 cm", "130 cm")),
    _Article("MAP", "Coastal Trail Map", "1:25,000, waterproof paper.", "14.95"),
    _Article("HOUSE", "House Espresso", "Chocolate and hazelnut; beans.", "16.50", _BAGS, "36"),
    _Article("YIRGA", "Yirgacheffe Filter Roast", "Bergamot and peach; beans.", "18.50", _BAGS, "41"),
    _Article("DECAF", "Slow Tide Decaf", "Sugar-cane process; beans.", "17.00", _BAGS, "38"),
    _Article("PRESS", "Camp Press", "Coffee press in an insulated mug.", "44.00", ("Black", "Steel")),
    _Article("MUG", "Enamel Mug", "Speckled, 350 ml.", "12.00", ("Blue", "Cream", "Red", "Green")),
    _Article("GRIND", "Burr Hand Grinder", "Steel burrs, 30 settings.", "99.00", status=ProductStatus.DRAFT),
    _Article("LANTERN", "Gas Lantern", "The last ones of this model.", "54.00", status=ProductStatus.DISCONTINUED),
]


def products() -> list[NewProduct]:
    """The products of the demo. The dice fall the same way every time, so barcodes do too."""
    dice = Random(20_260_101)  # noqa: S311  nothing is secret about a barcode
    return [_product(article, dice) for article in _ARTICLES]


def _product(article: _Article, dice: Random) -> NewProduct:
    price, step = Decimal(article.price), Decimal(article.step)
    variants: list[NewVariant] = []
    for n, name in enumerate(article.variants or (None,)):
        sku = "-".join([article.code, *([name.upper().replace(" ", "").replace("/", "")] if name else [])])
        variants.append(
            NewVariant(
                sku=sku,
                name=name,
                barcode=barcode(f"0850{dice.randrange(10**8):08}"),
                price=Money(price + n * step, USD),
                external_id=ExternalId(SYSTEM_NAME, sku),
            )
        )
    return NewProduct(
        name=article.name,
        description=article.description,
        variants=variants,
        status=article.status,
        external_id=ExternalId(SYSTEM_NAME, article.code),
    )


def barcode(digits: str) -> str:
    """Twelve digits with the check digit of an EAN-13 behind them."""
    weighted = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"
