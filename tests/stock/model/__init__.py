"""A reference model of stock: plain Python that says what must be true, and a driver that holds the shop against it.

Acts of every kind run many at once against a real Postgres, some through GraphQL, some rolled back, cancelled or
cut off amid their work. The order in which they took effect is recovered from what they locked (`order.py`); in that
order they are done to the model, one after the other; and then every figure of the shop must be the model's.

| File | What |
|---|---|
| `exact.py` | whole cents and exact fractions |
| `world.py` | the variants and places that acts are about, and what their ids are |
| `costs.py` | layers: first in, first out, and moving average; goods that were told late |
| `kept.py` | what the model keeps: values |
| `reference.py` | the model: who has what, where, and a claim on it |
| `coming.py` | goods come in, perhaps told late |
| `promising.py` | what can be promised |
| `placing.py` | from where a document takes what it wants, and what its channel is offered |
| `oversold.py` | what was handed over before the books knew of it |
| `acts/` | one class per act: drawn at random, done to the shop, done to the model |
| `trials.py` | an act on its way: whether it is left alone, rolled back, cancelled or cut off, and what is seen of it |
| `driver.py` | bursts of acts, and what becomes of each |
| `order.py` | an order in which the model agrees |
| `compare.py` | what the shop says, and where it differs from the model |
| `report.py` | a failure, told so that somebody can do it again |

To add an act, write its class in `acts/` (`draw`, `run`, `replay`, and `variables` where it has a mutation) and name it
in `acts/__init__.py`. What it says must be true is written anew here: nothing of `domain.stock` decides anything.
"""
