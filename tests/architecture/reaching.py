"""Which functions show or change personal data without an entry of the log: read off the source.

A function *owes* an entry once it runs SQL on a table about persons, or calls a function that ends
owing. It has *paid* once it makes an entry that names a person, an alert or what was read. Whoever
ends owing - returns, yields or prints something while it owes - shows what nobody logged. Branches
are taken apart. Who pays, or else returns a `Reason` why nothing was read, has paid. A method of
an object of unknown type is every method of that name.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

CLEAN: Final = "clean"
OWING: Final = "owing"
PAID: Final = "paid"

_NAMING: Final = {"person", "alert", "task", "what", "approval"}
_LOG: Final = "gateway.disclosure_log."
_PRINTS: Final = {"typer.echo", "print", "console.print", "_console"}
_BUILTIN: Final = {
    name for kind in (str, bytes, dict, list, set, tuple, int) for name in dir(kind)
} | {"execute", "executemany", "fetchone", "fetchall", "close", "add", "info", "error", "warning"}
_EXTERNAL: Final = "an object of somebody else's"


@dataclass(slots=True, eq=False)
class Class:
    name: str
    module: "Module"
    bases: list[ast.expr]
    methods: dict[str, "Function"] = field(default_factory=dict)
    fields: dict[str, ast.expr] = field(default_factory=dict)  # name -> annotation


@dataclass(slots=True, eq=False)
class Function:
    name: str  # module, class and function, dotted
    module: "Module"
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: Class | None = None
    outer: "Function | None" = None
    inner: dict[str, "Function"] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    types: dict[str, "Class | str | None"] | None = None
    exposes: str = ""  # what it shows unlogged: the function, or the table
    pays: bool = False
    prints: bool = False
    calls: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Module:
    name: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    texts: dict[str, ast.expr] = field(default_factory=dict)  # module-level constants


def tables_about_persons(schema: str) -> frozenset[str]:
    """Return the tables that say something of a person, by the schema alone."""
    found = {"person"}
    for name, columns in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", schema, re.DOTALL):
        if re.search(r"^\s+person\s|REFERENCES person\b", columns, re.MULTILINE):
            found.add(name)
    return frozenset(found)


class Program:
    """The source, taken in whole."""

    def __init__(self, sources: Mapping[str, str], schema: str) -> None:
        tables = "|".join(sorted(tables_about_persons(schema)))
        self._sql = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE)\s+({tables})\b")
        self.modules = {name: _module(name, text) for name, text in sources.items()}
        self._called: dict[int, list[Function]] = {}
        self._nearby: dict[str, frozenset[str]] = {}
        self._texts: dict[int, ast.expr | None] = {}
        self.by_method: dict[str, list[Function]] = {}
        for one in self.functions():
            if one.owner is not None and one.outer is None:
                self.by_method.setdefault(one.node.name, []).append(one)

    def functions(self) -> Iterator[Function]:
        for module in self.modules.values():
            yield from _every_function(module)

    def judge(self, itself: Iterable[str] = ()) -> None:
        """Find out of every function whether it pays, prints, or shows what nobody logged.

        Args:
            itself: Functions that are what the path itself does: they owe nothing.
        """
        passed = frozenset(itself)
        every = list(self.functions())
        for one in every:
            one.exposes, one.pays, one.prints = "", is_entry(one), False
        self._settle(every, self._pays)
        self._settle([one for one in every if one.name not in passed], self._exposes)

    def _settle(self, every: list[Function], step: Callable[[Function, "Walk"], bool]) -> None:
        """Look at every function, and at its callers again whenever it turns out otherwise."""
        callers: dict[str, set[str]] = {}
        by_name = {one.name: one for one in every}
        waiting = dict.fromkeys(by_name)
        while waiting:
            one = by_name[next(iter(waiting))]
            del waiting[one.name]
            walk = Walk(self, one)
            walk.run()
            one.calls = frozenset(walk.calls)
            for called in walk.calls:
                callers.setdefault(called, set()).add(one.name)
            if step(one, walk):
                waiting |= dict.fromkeys(callers.get(one.name, set()) & by_name.keys())

    def _pays(self, one: Function, walk: "Walk") -> bool:
        before = (one.pays, one.prints)
        refuses = "Reason" in ast.unparse(one.node.returns) if one.node.returns else False
        one.pays = one.pays or (walk.paid and (walk.all_paid or (refuses and not walk.shown)))
        one.prints = walk.prints
        return before != (one.pays, one.prints)

    def _exposes(self, one: Function, walk: "Walk") -> bool:
        if one.exposes or not walk.shown:
            return False
        one.exposes = walk.shown
        return True

    def sql_in(self, text: str) -> str | None:
        """Return the table about persons that a text of SQL is on, if it is more than a count."""
        if re.match(r"\s*SELECT count\(\*\)(?!,)", text) and "GROUP" not in text:
            return None
        found = self._sql.search(text)
        if found:
            return found[1]
        return "log_entry" if re.search(r"\bbody\b[^;]* FROM log_entry", text) else None

    def chain(self, function: Function) -> str:
        """Say how an unlogged reading comes about."""
        steps, named = [function.name], {one.name: one for one in self.functions()}
        while (step := named.get(steps[-1])) is not None and step.exposes not in steps:
            steps.append(step.exposes)
        return " -> ".join(steps)

    def reached(self, start: Iterable[str]) -> set[str]:
        """Return the functions that some functions may come to call."""
        named = {one.name: one for one in self.functions()}
        found: set[str] = set()
        waiting = list(start)
        while waiting:
            name = waiting.pop()
            if name not in found and name in named:
                found.add(name)
                waiting += named[name].calls
        return found

    # Names, and what they mean.

    def find(self, dotted: str) -> "Function | Class | Module | None":
        if dotted in self.modules:
            return self.modules[dotted]
        head, _, name = dotted.rpartition(".")
        module = self.modules.get(head)
        if module is None:
            return None
        if name in module.functions:
            return module.functions[name]
        if name in module.classes:
            return module.classes[name]
        return self.find(module.imports[name]) if name in module.imports else None

    def meant(self, expr: ast.expr, scope: Function | None, module: Module) -> object:  # noqa: C901 - names are looked up so
        """Return what a name or a dotted name means: a function, class, module or text."""
        if isinstance(expr, ast.Name):
            at = scope
            while at is not None:
                if expr.id in at.inner:
                    return at.inner[expr.id]
                if expr.id in at.imports:
                    return self.find(at.imports[expr.id]) or _EXTERNAL
                at = at.outer
            for table in (module.functions, module.classes, module.texts):
                if expr.id in table:
                    return table[expr.id]
            if expr.id in module.imports:
                return self.find(module.imports[expr.id]) or _EXTERNAL
            return None
        if isinstance(expr, ast.Attribute):
            base = self.meant(expr.value, scope, module)
            if isinstance(base, Module):
                return self.find(f"{base.name}.{expr.attr}") or base.texts.get(expr.attr)
            if isinstance(base, Class):
                return self.method(base, expr.attr)
            return _EXTERNAL if base is _EXTERNAL else None
        return None

    def text_of(self, expr: ast.expr, scope: Function) -> ast.expr | None:
        """Return the text a name stands for, if it is a constant of a module."""
        if id(expr) not in self._texts:
            found = self.meant(expr, scope, scope.module)
            self._texts[id(expr)] = found if isinstance(found, ast.expr) else None
        return self._texts[id(expr)]

    def method(self, kind: Class, name: str) -> Function | None:
        if name in kind.methods:
            return kind.methods[name]
        for base in kind.bases:
            above = self.meant(base, None, kind.module)
            if isinstance(above, Class) and (found := self.method(above, name)):
                return found
        return None

    def annotated(self, note: ast.expr | None, module: Module) -> Class | str | None:
        """Return the class an annotation names."""
        if isinstance(note, ast.Constant) and isinstance(note.value, str):
            note = ast.parse(note.value, mode="eval").body
        if isinstance(note, ast.BinOp):
            return self.annotated(note.left, module) or self.annotated(note.right, module)
        if isinstance(note, ast.Subscript):
            note = note.value
        if note is None or (isinstance(note, ast.Constant) and note.value is None):
            return None
        found = self.meant(note, None, module)
        if isinstance(found, Class):
            return found
        return None if isinstance(found, ast.expr) else _EXTERNAL

    def type_of(self, expr: ast.expr, scope: Function) -> Class | str | None:  # noqa: C901
        """Return the class an expression is of, as far as the source says; _EXTERNAL: not ours."""
        if isinstance(expr, ast.Await):
            return self.type_of(expr.value, scope)
        if isinstance(expr, ast.Name):
            at: Function | None = scope
            while at is not None:
                if expr.id in self.types(at):
                    return self.types(at)[expr.id]
                at = at.outer
            return None
        if isinstance(expr, ast.Attribute):
            base = self.type_of(expr.value, scope)
            if isinstance(base, Class):
                if expr.attr in base.fields:
                    return self.annotated(base.fields[expr.attr], base.module)
                made = self.method(base, expr.attr)
                return self.annotated(made.node.returns, made.module) if made else None
            return base
        if isinstance(expr, ast.Call):
            made_by = self.called(expr.func, scope)
            if len(made_by) == 1:
                (one,) = made_by
                if one.node.name in {"__init__", "__post_init__"}:
                    return one.owner
                return self.annotated(one.node.returns, one.module)
            found = self.meant(expr.func, scope, scope.module)
            return found if isinstance(found, Class) or found is _EXTERNAL else None
        return None

    def types(self, function: Function) -> dict[str, Class | str | None]:
        if function.types is None:
            function.types = {}
            found: dict[str, Class | str | None] = {}
            args = function.node.args
            for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs):
                found[arg.arg] = self.annotated(arg.annotation, function.module)
            if function.owner is not None and args.args and args.args[0].arg in {"self", "cls"}:
                found[args.args[0].arg] = function.owner
            function.types = found
            for node in own_nodes(function.node):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    found.setdefault(node.targets[0].id, self.type_of(node.value, function))
                elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                    kind = self.type_of(node.context_expr, function)
                    found.setdefault(node.optional_vars.id, kind)
        return function.types

    def called(self, expr: ast.expr, scope: Function, *, guess: bool = True) -> list[Function]:
        """Return what a reference to a function may be; where that is not known and it is called,
        every method of that name."""
        if id(expr) not in self._called:
            self._called[id(expr)] = self._find_called(expr, scope, guess=guess)
        return self._called[id(expr)]

    def _find_called(self, expr: ast.expr, scope: Function, *, guess: bool) -> list[Function]:
        found = self.meant(expr, scope, scope.module)
        if isinstance(found, Function):
            return [found]
        if isinstance(found, Class):
            made = (self.method(found, "__init__"), self.method(found, "__post_init__"))
            return [one for one in made if one]
        if found is not None or not isinstance(expr, ast.Attribute):
            return []
        kind = self.type_of(expr.value, scope)
        if isinstance(kind, Class):
            one = self.method(kind, expr.attr)
            return [one] if one else []
        if kind is _EXTERNAL or expr.attr in _BUILTIN or not guess:
            return []
        near = self._near(scope.module.name)
        return [one for one in self.by_method.get(expr.attr, []) if one.module.name in near]

    def _near(self, name: str) -> frozenset[str]:
        """Return the modules that a module imports, and those they import."""
        if name not in self._nearby:
            found, waiting = {name}, [name]
            while waiting:
                new = self._imported(waiting.pop()) - found
                found |= new
                waiting += new
            self._nearby[name] = frozenset(found)
        return self._nearby[name]

    def _imported(self, name: str) -> set[str]:
        module = self.modules[name]
        named = {*module.imports.values()}
        for one in _every_function(module):
            named |= {*one.imports.values()}
        heads = {one.rpartition(".")[0] for one in named}
        return {one for one in named | heads if one in self.modules}


class Walk:
    """One function, from its first line to each of its ends."""

    def __init__(self, program: Program, function: Function) -> None:
        self.program = program
        self.function = function
        self.shown = ""
        self.why = ""
        self.prints = False
        self.calls: set[str] = set()
        self.paid = False  # at one end, at least
        self.all_paid = True

    def run(self) -> None:
        state = self.block(self.function.node.body, CLEAN)
        if state is not None:
            self.end(state)

    def end(self, state: str) -> None:
        self.paid = self.paid or state == PAID
        self.all_paid = self.all_paid and state == PAID

    def show(self, state: str) -> None:
        if state == OWING:
            self.shown = self.shown or self.why

    def block(self, body: list[ast.stmt], state: str | None) -> str | None:
        for statement in body:
            if state is None:
                return None
            state = self.statement(statement, state)
        return state

    def statement(self, node: ast.stmt, state: str) -> str | None:  # noqa: C901 - one for each kind
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Import():
                return state
            case ast.Expr(value=ast.Constant()):
                return state
            case ast.Return():
                state = self.value(node.value, state)
                if not says_nothing(node.value):
                    self.show(state)
                self.end(state)
                return None
            case ast.Raise():
                return None
            case ast.If():
                state = self.value(node.test, state)
                return join(self.block(node.body, state), self.block(node.orelse, state))
            case ast.For() | ast.AsyncFor():
                state = self.value(node.iter, state)
                after = join(state, self.block(node.body, state))
                return self.block(node.orelse, after)
            case ast.While():
                state = self.value(node.test, state)
                return join(state, self.block(node.body, state))
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    state = self.value(item.context_expr, state)
                return self.block(node.body, state)
            case ast.Try():
                tried = self.block(node.body, state)
                tried = self.block(node.orelse, tried)
                others = [self.block(one.body, join(state, tried)) for one in node.handlers]
                return self.block(node.finalbody, join(tried, *others))
            case ast.Match():
                state = self.value(node.subject, state)
                return join(state, *(self.block(case.body, state) for case in node.cases))
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                state = self.value(child, state)
        return state

    def value(self, node: ast.AST | None, state: str) -> str:  # noqa: C901 - one for each kind
        if node is None:
            return state
        if isinstance(node, ast.IfExp):
            state = self.value(node.test, state)
            return join(self.value(node.body, state), self.value(node.orelse, state)) or state
        if isinstance(node, ast.Call):
            for part in (*node.args, *(one.value for one in node.keywords)):
                state = self.value(part, state)
            if isinstance(node.func, ast.Name | ast.Attribute):
                state = self.reference(node.func, state, guess=True)
                if isinstance(node.func, ast.Attribute):
                    state = self.value(node.func.value, state)
            else:
                state = self.value(node.func, state)
            if ast.unparse(node.func) in _PRINTS:
                self.prints = True
                self.show(state)
            return state
        if isinstance(node, ast.Yield | ast.YieldFrom):
            state = self.value(node.value, state)
            self.show(state)
            return state
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self.touch(self.program.sql_in(node.value), state)
        if isinstance(node, ast.Name | ast.Attribute):
            state = self.reference(node, state)
            return self.value(node.value, state) if isinstance(node, ast.Attribute) else state
        for child in ast.iter_child_nodes(node):
            state = self.value(child, state)
        return state

    def reference(self, node: ast.Name | ast.Attribute, state: str, *, guess: bool = False) -> str:
        meant = self.program.text_of(node, self.function)
        if meant is not None:
            for part in ast.walk(meant):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    state = self.touch(self.program.sql_in(part.value), state)
                elif isinstance(part, ast.Name) and part is not node:
                    state = self.reference(part, state)
            return state
        found = self.program.called(node, self.function, guess=guess)
        self.calls |= {one.name for one in found}
        if any(one.prints for one in found):
            self.prints = True
            self.show(state)
        for one in found:
            if one.exposes:
                state = self.touch(one.name, state)
        return PAID if found and all(one.pays for one in found) else state

    def touch(self, what: str | None, state: str) -> str:
        if what is None or state == PAID:
            return state
        self.why = self.why or what
        return OWING


def join(*states: str | None) -> str | None:
    """Return the state after branches; None is a branch that ended."""
    live = [one for one in states if one is not None]
    if not live:
        return None
    if OWING in live:
        return OWING
    return PAID if all(one == PAID for one in live) else CLEAN


def says_nothing(node: ast.expr | None) -> bool:
    """Say whether a returned expression holds no value but empty ones: a refusal, nothing read."""
    return all(
        not part.value if isinstance(part, ast.Constant) else not isinstance(part, ast.Name)
        for part in ast.walk(node or ast.Constant(value=None))
        if not (isinstance(part, ast.Name) and part.id in {"Staged", "tuple"})
    )


def is_entry(one: Function) -> bool:
    """Say whether a function makes an entry that names a person, an alert or what was read."""
    args = one.node.args
    named = {arg.arg for arg in (*args.args, *args.kwonlyargs)}
    returns = one.node.returns
    is_made = isinstance(returns, ast.Name) and returns.id == "Entry"
    return one.name.startswith(_LOG) and is_made and bool(named & _NAMING)


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function but for those of the functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
            yield from own_nodes(child)


def _every_function(module: Module) -> Iterator[Function]:
    for one in module.functions.values():
        yield from _with_inner(one)
    for kind in module.classes.values():
        for one in kind.methods.values():
            yield from _with_inner(one)


def _with_inner(one: Function) -> Iterator[Function]:
    yield one
    for each in one.inner.values():
        yield from _with_inner(each)


def _module(name: str, text: str) -> Module:
    tree = ast.parse(text)
    module = Module(name=name, tree=tree, imports=_imports(tree.body))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            module.functions[node.name] = _function(f"{name}.{node.name}", module, node)
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = _class(module, node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            module.texts[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            module.texts[node.target.id] = node.value
    return module


def _class(module: Module, node: ast.ClassDef) -> Class:
    kind = Class(name=node.name, module=module, bases=list(node.bases))
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{module.name}.{node.name}.{one.name}"
            kind.methods[one.name] = _function(name, module, one, owner=kind)
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            kind.fields[one.target.id] = one.annotation
    made = kind.methods.get("__init__")
    args = made.node.args if made else None
    notes = {arg.arg: arg.annotation for arg in (*args.args, *args.kwonlyargs)} if args else {}
    for part in own_nodes(made.node) if made else ():
        match part:
            case ast.Assign(targets=[ast.Attribute(attr=attr)], value=ast.Name(id=given)):
                if note := notes.get(given):
                    kind.fields.setdefault(attr, note)
            case ast.AnnAssign(target=ast.Attribute(attr=attr), annotation=note):
                kind.fields.setdefault(attr, note)
            case ast.Assign(
                targets=[ast.Attribute(attr=attr)],
                value=ast.Attribute(value=ast.Name(id=given), attr=inner),
            ):
                if note := notes.get(given):
                    kind.fields.setdefault(attr, _OfField(note, inner))
    return kind


class _OfField(ast.expr):
    """The annotation of a field of what another annotation names: unknown, so nobody's."""

    def __init__(self, note: ast.expr, name: str) -> None:
        super().__init__()
        self.note, self.name = note, name


def _function(
    name: str,
    module: Module,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    *,
    owner: Class | None = None,
    outer: Function | None = None,
) -> Function:
    made = Function(name=name, module=module, node=node, owner=owner, outer=outer)
    made.imports = _imports([one for one in own_nodes(node) if isinstance(one, ast.stmt)])
    for one in _functions_in(node):
        inner = f"{name}.{one.name}"
        made.inner[one.name] = _function(inner, module, one, outer=made)
    return made


def _functions_in(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        elif not isinstance(child, ast.ClassDef):
            yield from _functions_in(child)


def _imports(body: Iterable[ast.AST]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                found[one.asname or one.name] = f"{node.module}.{one.name}"
        elif isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name
    return found


_ROUTES: Final = {"get", "post", "put", "delete", "patch", "route", "view", "head"}


@dataclass(frozen=True, slots=True)
class Entrance:
    """A route or a command."""

    name: str
    shows: str  # how it shows what nobody logged; empty: it does not
    calls: frozenset[str]


def entrances(program: Program) -> Iterator[Entrance]:
    """Yield every route and command."""
    named = {one.name: one for one in program.functions()}
    for one in named.values():
        if one.module.name.startswith("gateway.cli.") and _is_command(one):
            shows = program.chain(one) if one.exposes else ""
            yield Entrance(f"command {one.name}", shows, frozenset({one.name}))
        for node in own_nodes(one.node):
            if isinstance(node, ast.Call):
                for handler in _handlers(node, one):
                    yield _route(program, one, handler, named)


def _is_command(one: Function) -> bool:
    return any(
        isinstance(mark, ast.Call)
        and isinstance(mark.func, ast.Attribute)
        and mark.func.attr in {"command", "callback"}
        for mark in one.node.decorator_list
    )


def _handlers(node: ast.Call, within: Function) -> Iterator[ast.expr]:
    """Yield what answers the route a call makes; and whatever is given to make routes of."""
    called = ast.unparse(node.func)
    if called.startswith("web.") and called[4:] in _ROUTES:
        yield node.args[-1]
    elif called.endswith("ConsoleRoute"):
        yield from (one.value for one in node.keywords if one.arg in {"get", "post"})
    elif called.endswith(".routes") and within.module.name == "gateway.app":
        yield from node.args
        yield from (one.value for one in node.keywords)


def _route(
    program: Program, within: Function, handler: ast.expr, named: Mapping[str, Function]
) -> Entrance:
    walk = Walk(program, within)
    if isinstance(handler, ast.Attribute):
        state = walk.reference(handler, CLEAN, guess=True)
    else:
        state = walk.value(handler, CLEAN)
    shown = program.chain(named[walk.why]) if walk.why in named else walk.why
    name = f"route {within.name} {ast.unparse(handler)}"
    return Entrance(name, shown if state == OWING else "", frozenset(walk.calls))
