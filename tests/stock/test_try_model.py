import random, pytest, time
from datetime import UTC, datetime, timedelta, date
from domain.kernel.database import Database
from tests.stock.model.driver import Driver
from tests.stock.model.world import *
from tests.support.api import Api
from tests.support.server import Server

async def test_try(server: Server, database_name: str, api: Api) -> None:
    begins = datetime.now(UTC) - timedelta(days=60)
    world = World((), (Location(1, bins=("A","B")), Location(1), Location(0, bins=("C",)), Location(5, transit=True)), begins)
    db = Database(server.app_url(database_name), pool=16)
    await found(db, world)
    import os
    driver = Driver(db, api, server.owner_url(database_name), world, random.Random(int(os.environ.get("SEED","1"))))
    n = int(os.environ.get("BURST", "1"))
    began = time.monotonic()
    acts = 0
    from contextlib import aclosing
    async with aclosing(C(db)), driver.running():
        for round_ in range(int(os.environ.get("ROUNDS","3"))):
            soon = (begins + timedelta(hours=1)).date()
            await driver.anew([Variant(), Variant(averaged=True, waits="LIMIT", limit=6), Variant(waits="ALLOW", decimals=3, lots=(Lot("L1", None), Lot("L2", soon + timedelta(days=30)))), Variant(tracked=True, lots=(Lot("T1", None), Lot("T2", soon)))])
            for b in range(40 if n > 1 else 200):
                trials = driver.draw(n, fates=os.environ.get("FATES")=="1", graphql=float(os.environ.get("GQL","0")))
                try:
                    await driver.burst(trials)
                except AssertionError:
                    for bb in driver.history[-3:]:
                        print("burst", *map(str, bb), sep="\n   ")
                    raise
                acts += n
            await driver.verify()
    if True:
     print(acts, time.monotonic()-began, driver.outcomes, driver.deadlocks)

class C:
    def __init__(self, db): self.db=db
    async def aclose(self): await self.db.close()
