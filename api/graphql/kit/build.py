"""From declarations to a Strawberry schema, once per process."""

import inspect
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import strawberry
from graphql import GraphQLSchema
from strawberry.annotation import StrawberryAnnotation
from strawberry.schema.config import StrawberryConfig
from strawberry.utils.str_converters import to_camel_case

from api.graphql.kit import errors, inputs, limits, lists, operations, resolvers, views
from api.graphql.kit.access import PLAIN_TYPES, AccessBook, directive
from api.graphql.kit.docs import attribute_docs, first_paragraph
from api.graphql.kit.enums import published
from api.graphql.kit.operations import Mutation, Operation, Payload
from api.graphql.kit.reading import Record
from api.graphql.kit.scalars import PLAIN, SCALARS
from api.graphql.kit.views import Amount, Batch, ById, Connection, Derived, Field, Find, Many, Node, Pages, View
from domain.kernel.money import CurrencyCode

KEY_DOC = "Same key and same input: one effect, however often it is sent. Kept for 7 days."
DRY_RUN_DOC = "Do everything, answer as if it were done, and leave nothing behind."


class Effects:
    """What an act did. Each part needs its own scope."""


@dataclass
class Declared:
    """What stands behind the names of the schema, for whoever compiles documents."""

    views: dict[str, View] = field(default_factory=dict)
    """By GraphQL type."""
    fields: dict[tuple[str, str], Field | Operation | Mutation] = field(default_factory=dict)
    """By GraphQL type and field: of views, `Query`, `Mutation`, `Subscription` and `Effects`."""
    connections: dict[str, str] = field(default_factory=dict)
    """The type of the nodes, by the type of the connection."""
    payloads: dict[str, dict[str, tuple[View, bool]]] = field(default_factory=dict)
    """The nouns of payloads by type and field: the view of each, and whether it is a list."""


class Built:
    """The schema and what the doors need to know about it."""

    def __init__(
        self, schema: strawberry.Schema, access: AccessBook, costs: "limits.CostBook", declared: Declared
    ) -> None:
        self.declared = declared
        self.schema = schema
        self.core: GraphQLSchema = schema._schema
        self.access = access
        self.costs = costs


def build() -> Built:
    """Make the schema from everything that was declared."""
    return _Builder().build()


class _Builder:
    """Carries what is made on the way; used once."""

    def __init__(self) -> None:
        self.access = AccessBook(types=dict(PLAIN_TYPES))
        self.declared = Declared()
        self.costs = limits.CostBook()
        self.connections: dict[str, Any] = {}
        self.error_code = errors.error_codes()

    def build(self) -> Built:
        self._collect()
        self._make_node()
        for each in views.VIEWS.values():
            self._make_view(each)
        effects = self._make_effects()
        query = self._make_root(
            "Query", "What can be asked.", [*self._query_fields(), *self._functions(operations.QUERIES)]
        )
        mutations = [self._mutation(each, effects) for each in operations.MUTATIONS]
        mutation = self._make_root(
            "Mutation", "What can be done. Each field is one act and one transaction.", mutations
        )
        streams = list(self._functions(operations.SUBSCRIPTIONS, stream=True))
        subscription = self._make_root("Subscription", "What can be watched.", streams)
        schema = strawberry.Schema(
            query=query,
            mutation=mutation,
            subscription=subscription,
            types=[*errors.declared_user_errors(), *(each.cls for each in views.VIEWS.values())],
            config=StrawberryConfig(scalar_map=SCALARS),
        )
        built = Built(schema, self.access, self.costs, self.declared)
        limits.assume_sizes(built.core, self.costs)
        return built

    # --- collecting

    def _collect(self) -> None:
        self.query_fields: dict[str, Field] = {}
        self.effect_fields: dict[str, Field] = {}
        for each in views.VIEWS.values():
            each.fields = views.collect(each.cls)
        for name, cls in views.EXTENSIONS:
            added = views.collect(cls)
            target = {"Query": self.query_fields, "Effects": self.effect_fields}.get(name)
            target = views.view_named(name).fields if target is None else target
            twice = set(added) & set(target)
            if twice:
                raise TypeError(f"{cls.__name__} adds {', '.join(twice)} to {name}, which has it already")
            target.update(added)
        for each in views.VIEWS.values():
            for declared in each.fields.values():
                views.columns_of(each, declared)
        errors.UserError.__annotations__["code"] = self.error_code
        for definition in [errors.UserError, *errors.declared_user_errors()]:
            for declared in definition.__strawberry_definition__.fields:  # type: ignore[attr-defined]
                if declared.python_name == "code":
                    declared.type_annotation = StrawberryAnnotation(self.error_code)

    # --- types

    def _make_node(self) -> None:
        Node.__annotations__ = {"id": strawberry.ID}
        doc = attribute_docs(Node).get("id")
        Node.id = strawberry.field(description=first_paragraph(doc))  # type: ignore[assignment]
        strawberry.interface(Node, name="Node", description="Anything with an id.")
        self.access.types["Node"] = frozenset()

    def _make_view(self, each: View) -> None:
        cls = each.cls
        own = {name: declared for name, declared in each.fields.items() if not (each.is_node and name == "id")}
        cls.__annotations__ = {}
        self.declared.views[each.name] = each
        for name, declared in each.fields.items():
            self.declared.fields[each.name, to_camel_case(name)] = declared
        for name, declared in own.items():
            setattr(cls, name, self._field(each, declared))
            self.access.fields[each.name, to_camel_case(name)] = declared.scopes
            cls.__annotations__[name] = self.output(declared.annotation)
        cls.is_type_of = classmethod(lambda c, obj, _info: isinstance(obj, Record) and obj.view.cls is c)  # type: ignore[attr-defined]
        self.access.types[each.name] = each.scopes
        strawberry.type(
            cls, name=each.name, description=_described(cls.__doc__, each.scopes), directives=[directive(each.scopes)]
        )

    def _make_effects(self) -> type:
        fields = [(name, self._effect(each)) for name, each in self.effect_fields.items()]
        cls = type("Effects", (), {"__annotations__": {}})
        for name, made in fields:
            setattr(cls, name, made)
            cls.__annotations__[name] = typing.Optional[self.output(self.effect_fields[name].annotation)]  # noqa: UP045
        self.access.types["Effects"] = frozenset()
        return strawberry.type(cls, name="Effects", description=first_paragraph(Effects.__doc__))

    def _make_root(self, name: str, description: str, fields: Iterable[tuple[str, Any, Any]]) -> Any:
        cls = type(name, (), {"__annotations__": {}})
        for field_name, annotation, made in fields:
            setattr(cls, field_name, made)
            cls.__annotations__[field_name] = annotation
        return strawberry.type(cls, name=name, description=description) if cls.__annotations__ else None

    def output(self, annotation: Any) -> Any:
        """The Strawberry annotation for what a field returns."""
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if views.is_optional(annotation):
            return typing.Optional[self.output(views.without_none(annotation))]  # noqa: UP045
        if origin is list:
            return list[self.output(args[0])]
        if origin is Connection:
            return self._connection(args[0])
        if views.is_enum(annotation):
            return published(annotation)
        return PLAIN.get(annotation, annotation)

    def _connection(self, node: Any) -> Any:
        inner = self.output(node)
        name = node.__name__
        if name not in self.connections:
            edge_type = type(f"{name}Edge", (), {"__annotations__": {"node": inner, "cursor": str}})
            edge_type.node = strawberry.field(description="The one listed.")  # type: ignore[attr-defined]
            edge_type.cursor = strawberry.field(description="Where to go on from here.")  # type: ignore[attr-defined]
            edge = strawberry.type(edge_type, name=f"{name}Edge", description=f"One place in a list ({name}).")
            cls = type(f"{name}Connection", (), {"__annotations__": {}})
            parts: list[tuple[str, Any, resolvers.Resolve, str]] = [
                ("edges", list[edge], lambda root, _info: root.edges, "The page, each with its cursor."),
                ("nodes", list[inner], lambda root, _info: [each.node for each in root.edges], "The page."),
                ("page_info", lists.PageInfo, lambda root, _info: root.page_info, "What surrounds the page."),
                (
                    "total_count",
                    int | None,
                    resolvers.total_count,
                    "How many there are in all. Counted only when asked for.",
                ),
            ]
            for part, annotation, resolve, description in parts:
                cls.__annotations__[part] = annotation
                setattr(
                    cls, part, strawberry.field(resolver=resolvers.signed(resolve, annotation), description=description)
                )
            scopes = views.VIEWS[node].scopes if node in views.VIEWS else frozenset()
            self.declared.connections[f"{name}Connection"] = name
            self.access.types[f"{name}Connection"] = self.access.types[f"{name}Edge"] = scopes
            made = strawberry.type(cls, name=f"{name}Connection", description=f"A page of a list ({name}).")
            self.connections[name] = made
        return self.connections[name]

    # --- fields of views

    def _field(self, owner: View, each: Field) -> Any:
        arguments: Mapping[str, Any] = {}
        directives: list[Any] = [directive(each.scopes)] if each.scopes else []
        match each:
            case Many():
                arguments = resolvers.many_arguments(each)
                slicing = {"slicing_arguments": ["first"]} if each.first else {}
                directives.append(limits.ListSize(assumed_size=each.size, **slicing))
                self.costs.assumed[owner.name, to_camel_case(each.name)] = each.size
            case Amount(in_currency=True):
                arguments = {"currency": (CurrencyCode | None, "The currency wanted.")}
            case Derived():
                arguments = resolvers.function_arguments(each.function, skip=len(each.needs) + each.for_actor)
            case Batch():
                arguments = resolvers.function_arguments(each.function, skip=2)
                if "first" in arguments:
                    size = limits.ASSUMED_SIZE
                    directives.append(limits.ListSize(assumed_size=size, slicing_arguments=["first"]))
                    self.costs.assumed[owner.name, to_camel_case(each.name)] = size
            case Pages():
                arguments = self._page_arguments(owner.name, each, directives)
        resolver = resolvers.signed(resolvers.of_field(owner, each), self.output(each.annotation), arguments)
        return strawberry.field(
            resolver=resolver, description=_described(each.description, each.scopes), directives=directives
        )

    def _effect(self, each: Field) -> Any:
        if not isinstance(each, Pages):
            raise TypeError(f"Effects.{each.name} must be pages(...)")
        self.declared.fields["Effects", to_camel_case(each.name)] = each
        directives: list[Any] = []
        arguments = self._page_arguments("Effects", each, directives)
        annotation = typing.Optional[self.output(each.annotation)]  # noqa: UP045
        target = cast(View, views.view_of(each.annotation))
        return strawberry.field(
            resolver=resolvers.signed(resolvers.effect(target, each), annotation, arguments),
            description=each.description,
            directives=directives,
        )

    def _page_arguments(self, owner: str, each: Pages, directives: list[Any]) -> Mapping[str, Any]:
        target = views.view_of(each.annotation)
        assert target is not None
        directives.append(limits.ListSize(assumed_size=50, slicing_arguments=["first", "last"]))
        self.costs.sliced.add((owner, to_camel_case(each.name)))
        return lists.list_arguments(each.listing, target.name)

    # --- Query

    def _query_fields(self) -> Iterable[tuple[str, Any, Any]]:
        for name, each in self.query_fields.items():
            self.declared.fields["Query", to_camel_case(name)] = each
            target = views.view_of(each.annotation)
            directives: list[Any] = []
            if isinstance(each, ById):
                yield name, *self._by_id(each)
                continue
            if target is None:
                raise TypeError(f"Query.{name} must be annotated with a view")
            match each:
                case Pages():
                    resolve, arguments = (
                        resolvers.whole_list(target, each),
                        self._page_arguments("Query", each, directives),
                    )
                case Find():
                    resolve, arguments = (
                        resolvers.find(target, each),
                        {"by": (self._key_input(target, each), "Which one.")},
                    )
                case _:
                    raise TypeError(f"Query.{name} must be pages(...) or find(...)")
            annotation = self.output(each.annotation)
            description = _described(each.description, target.scopes)
            made = strawberry.field(
                resolver=resolvers.signed(resolve, annotation, arguments),
                description=description,
                directives=directives,
            )
            yield name, annotation, made

    def _by_id(self, each: ById) -> tuple[Any, Any]:
        annotation = self.output(each.annotation)
        kind, what = (
            (list[strawberry.ID], "The ids, of any kinds.") if each.many else (strawberry.ID, "The id of anything.")
        )
        resolver = resolvers.signed(resolvers.by_id(each), annotation, {"ids" if each.many else "id": (kind, what)})
        return annotation, strawberry.field(resolver=resolver, description=each.description)

    def _key_input(self, target: View, each: Find) -> Any:
        name = f"{_pascal(each.name)}Key"
        cls = type(name, (), {"__annotations__": {}})
        for key, kind in each.key_types.items():
            cls.__annotations__[key] = strawberry.Maybe[inputs.argument_type(kind)]
            setattr(cls, key, strawberry.field(default=None, description=f"By its {key}."))
        return strawberry.input(
            cls, name=name, one_of=True, description=f"Names one {target.name}, by exactly one of these."
        )

    def _functions(self, declared: Iterable[Operation], *, stream: bool = False) -> Iterable[tuple[str, Any, Any]]:
        for operation in declared:
            hints = typing.get_type_hints(operation.function)
            returned = hints["return"]
            if stream:
                returned = typing.get_args(returned)[0]
            annotation = self.output(returned)
            arguments = resolvers.function_arguments(operation.function, skip=1)
            parent = "Subscription" if stream else "Query"
            self.access.fields[parent, to_camel_case(operation.name)] = operation.scopes
            self.declared.fields[parent, to_camel_case(operation.name)] = operation
            directives: list[Any] = [directive(operation.scopes)] if stream else []
            if typing.get_origin(views.without_none(returned)) is Connection:
                self.costs.sliced.add((parent, to_camel_case(operation.name)))
                directives.append(limits.ListSize(assumed_size=50, slicing_arguments=["first"]))
            description = _described(inspect.getdoc(operation.function), operation.scopes)
            if stream:
                resolver = resolvers.signed_stream(operation.function, annotation, arguments)
                made = strawberry.subscription(resolver=resolver, description=description, directives=directives)
            else:
                resolver = resolvers.signed(resolvers.function(operation), annotation, arguments)
                made = strawberry.field(resolver=resolver, description=description, directives=directives)
            yield operation.name, annotation, made

    # --- Mutation

    def _mutation(self, operation: Operation, effects: type) -> tuple[str, Any, Any]:
        nouns = self._nouns(operation)
        noun = None if operation.nouns else next(iter(nouns))
        payload = self._payload(operation, nouns, effects)
        arguments = resolvers.function_arguments(
            operation.function, skip=1, input_name=f"{_pascal(operation.name)}Input"
        )
        arguments |= {
            "idempotency_key": (typing.Optional[str], KEY_DOC, strawberry.UNSET),  # noqa: UP045
            "dry_run": (bool, DRY_RUN_DOC, False),
        }
        annotation = typing.Optional[payload]  # noqa: UP045

        async def resolve(_root: Any, info: Any, **given: Any) -> Payload:
            return await operations.perform(info.context, operation, noun, given, response_key=str(info.path.key))

        self.access.fields["Mutation", to_camel_case(operation.name)] = operation.scopes
        self.declared.fields["Mutation", to_camel_case(operation.name)] = Mutation(operation, noun)
        self.costs.weights["Mutation", to_camel_case(operation.name)] = operation.cost
        description = _described(inspect.getdoc(operation.function), operation.scopes)
        made = strawberry.field(
            resolver=resolvers.signed(resolve, annotation, arguments),
            description=description,
            directives=[directive(operation.scopes), limits.Cost(weight=str(operation.cost))],
        )
        return operation.name, annotation, made

    def _nouns(self, operation: Operation) -> dict[str, tuple[View, bool]]:
        """The nouns of a payload by name: the view of each, and whether it is a list."""
        returned = operation.nouns or {operation.noun: typing.get_type_hints(operation.function)["return"]}
        nouns: dict[str, tuple[View, bool]] = {}
        for name, annotation in returned.items():
            target = views.view_of(annotation)
            if target is None:
                raise TypeError(f"{operation.name} must return a view")
            own = target.name[0].lower() + target.name[1:]
            nouns[name or own] = target, typing.get_origin(annotation) is list
        return nouns

    def _payload(self, operation: Operation, nouns: Mapping[str, tuple[View, bool]], effects: type) -> Any:
        cls = type(f"{_pascal(operation.name)}Payload", (), {"__annotations__": {}})
        parts: list[tuple[str, Any, resolvers.Resolve, str]] = []
        for noun, (target, is_list) in nouns.items():
            kind = list[target.cls] if is_list else typing.Optional[target.cls]  # noqa: UP045
            described = "As they are now; none when refused." if is_list else "As it is now; null when refused."
            parts.append((noun, kind, resolvers.nouns(noun, target, is_list=is_list), described))
        parts += [
            ("effects", typing.Optional[effects], lambda root, _info: root if root.act else None, "What the act did."),  # noqa: UP045
            (
                "user_errors",
                list[errors.UserError],
                lambda root, _info: root.user_errors,
                "Why it was refused; else empty.",
            ),
        ]
        for part, annotation, resolve, description in parts:
            name = part if part in nouns else None
            cls.__annotations__[part] = annotation
            made = strawberry.field(resolver=resolvers.signed(resolve, annotation), description=description, name=name)
            setattr(cls, part, made)
        name = f"{_pascal(operation.name)}Payload"
        self.declared.payloads[name] = dict(nouns)
        self.access.types[name] = frozenset()
        return strawberry.type(cls, name=name, description=f"What came of `{to_camel_case(operation.name)}`.")


def _described(text: str | None, scopes: frozenset[str]) -> str:
    words = first_paragraph(text) or ""
    return f"{words} Needs `{'`, `'.join(sorted(scopes))}`." if scopes else words


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
