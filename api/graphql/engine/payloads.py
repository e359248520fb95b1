"""Payloads of acts that were committed together are read together: what shows one order shows eight at nearly the same
cost. Each is answered for itself all the same.

Where a payload shows nothing but columns of its noun's own row, acts that are one statement bring them along: then
nothing is read at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphql.execution.values import VariableValues
from strawberry.dataloader import DataLoader

from api.graphql.engine.bringing import wanted_by
from api.graphql.engine.planner import Plan
from api.graphql.engine.run import Result, Run
from api.graphql.kit.context import Context
from api.graphql.kit.operations import Payload
from api.graphql.kit.reading import Reading
from domain.kernel.work import Actor


@dataclass(frozen=True)
class Asked:
    """A payload that is to be read, and for whom."""

    context: Context
    variables: VariableValues
    payload: Payload

    async def alone(self, plan: Plan) -> Result:
        """Its answer, read by itself."""
        return await Run(plan, self.context, self.variables).read_given(self.payload)


class Payloads:
    """Reads the payloads of one field of a document: those that are asked for at the same moment at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.wanted = wanted_by(plan)
        """What its acts may bring along: all that there would be to read."""
        self._loader: DataLoader[Asked, Result] = DataLoader(load_fn=self._each, cache=False)

    async def read(self, context: Context, variables: VariableValues, payload: Payload) -> Result:
        """The answer that the field has for this payload."""
        if payload.written is not None:
            answer = Run(self._plan, context, variables).answer_written(payload, payload.written)
            if answer is not None:
                return answer
        asked = Asked(context, variables, payload)
        if payload.is_one_of_several and self._plan.is_constant and context.explained is None:
            return await self._loader.load(asked)
        return await asked.alone(self._plan)

    async def _each(self, asked: Sequence[Asked]) -> list[Result]:
        """The answers, in the order in which they were asked for."""
        by_actor: dict[Actor, list[Asked]] = {}
        for each in asked:
            by_actor.setdefault(each.context.caller.actor, []).append(each)
        found: dict[int, Result] = {}
        for group in by_actor.values():  # of several callers hardly ever
            found |= {id(each): result for each, result in zip(group, await self._of_one_actor(group), strict=True)}
        return [found[id(each)] for each in asked]

    async def _of_one_actor(self, asked: Sequence[Asked]) -> Sequence[Result]:
        if len(asked) > 1:
            # A reading of its own: any of those who asked may leave before the others are answered.
            first = asked[0].context
            reading = Reading(first.database, first.caller.actor)
            try:
                run = Run(self._plan, replace(first, reading=reading), asked[0].variables)
                results = await run.read_each([each.payload for each in asked])
            finally:
                await reading.aclose()
            if results is not None:
                return results
        return [await each.alone(self._plan) for each in asked]
