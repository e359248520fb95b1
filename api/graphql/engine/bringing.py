"""What an act can bring along for its payload, so that nothing has to be read after it.

An INSERT returns the rows that it wrote, with the values that the database gave them. That is all there is to show
where a payload asks for nothing but columns of its noun's own row, and whoever sees such rows at all sees every one.
"""

from api.graphql.engine.levels import ByIdLevel
from api.graphql.engine.planner import Plan
from api.graphql.engine.statement import Builder
from api.graphql.engine.wire import DIALECT
from domain.kernel.writing import Wanted


def wanted_by(plan: Plan) -> Wanted | None:
    """The columns that one field's plan reads, as its own statement would bring them; None where it reads more."""
    if len(plan.units) != 1:
        return None
    (level,) = plan.units
    if not isinstance(level, ByIdLevel) or level.joins or level.scoped or level.base.computations:
        return None
    builder = Builder(plan.layouts[0], {}, {})
    columns = [f"{level.index} AS level"]
    for slot in sorted(level.slots.values(), key=lambda each: each.place):
        compiled = slot.make(builder).compile(dialect=DIALECT)
        if compiled.params:
            return None
        columns.append(f"{compiled} AS p{slot.place}")
    return Wanted(level.view.row.__tablename__, ", ".join(columns))
