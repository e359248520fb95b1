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
                    import re
                    print("WAITING", *driver.model.waiting.items(), sep="\n WAIT ")
                    for d in LAST: print("DONE", d.seen.number, type(d.act).__name__, dict(d.found), {k:v[0] for k,v in d.left.items()}, d.codes, str(d.act)[:150])
                    m = re.search(r"(?:model says|place=)\D*(\d), (\d)\)", re.split("But then",str(__import__("sys").exc_info()[1]))[-1])
                    if m:
                        v,l = int(m[1]), int(m[2])
                        for t in sorted(driver.model.told.get((v,l),()), key=lambda t:(t.effective_at,t.number)): print("MODEL", t.effective_at.strftime("%H:%M:%S.%f"), t.recorded_at.strftime("%H:%M:%S"), t.kind, t.role, float(t.quantity), t.value)
                        print("LAYERS", driver.model.layers.get((v,l)))
                        async with db.connection() as c:
                            for r in await c.exec_driver_sql(f"select to_char(effective_at,'HH24:MI:SS.US'), to_char(recorded_at,'HH24:MI:SS'), kind, reason, quantity, value_amount, right(layer_id::text,4), right(id::text,4) from stock_movements where variant_id='{world.variant_ids[v][4:]}' and location_id='{world.location_ids[l][4:]}' order by effective_at, id"): print("SHOP", *r)
                    raise
                acts += n
            await driver.verify()
    if True:
     print(acts, time.monotonic()-began, driver.outcomes, driver.deadlocks)

class C:
    def __init__(self, db): self.db=db
    async def aclose(self): await self.db.close()

import tests.stock.model.driver as dd
LAST=[]
_arr = dd.arranged
def keep(model, acts, accept):
    LAST[:] = acts
    return _arr(model, acts, accept)
dd.arranged = keep
