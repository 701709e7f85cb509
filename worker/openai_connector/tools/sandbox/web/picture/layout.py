"""A layout of our own, in columns and rows, for what a diagram does not place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from openai_connector.tools.sandbox.web.picture.geometry import Bounds, Point, united
from openai_connector.tools.sandbox.web.picture.model import EVENTS, GATEWAYS, SUB_PROCESSES, Item, Link

COLUMN_GAP: Final = 60.0
ROW_GAP: Final = 46.0
PADDING: Final = 36.0
"""Inside a sub-process, around what it holds."""
DEEPEST: Final = 50
"""Sub-processes in sub-processes that are opened; those below are drawn collapsed."""


def arrange(items: Sequence[Item], links: Iterable[Link], at: Point) -> None:
    """Place items, and the lines between them.

    Args:
        items: to be placed, with all that stands in them.
        links: between them.
        at: upper left corner.
    """
    flows = [link for link in links if link.kind == "sequenceFlow"]
    inner: dict[Item | None, list[Item]] = {}
    chosen = set(items)
    for item in items:
        inner.setdefault(item.parent if item.parent in chosen else None, []).append(item)
    _place(inner, None, flows, at)
    by_id = {item.id: item for item in items}
    for link in flows:
        source, target = by_id.get(link.source), by_id.get(link.target)
        if source is not None and target is not None:
            link.points = route(source, target)


def _place(inner: dict[Item | None, list[Item]], scope: Item | None, flows: list[Link], at: Point) -> Bounds:
    """Place what stands in a scope, and return the place that it takes."""
    members = inner.get(scope, [])
    nodes = [item for item in members if item.kind != "boundaryEvent"]
    boundary = [item for item in members if item.kind == "boundaryEvent"]
    for node in nodes:
        node.bounds = _sized(inner, node, flows)
    cells = _cells(nodes, boundary, flows)
    columns = _offsets(
        {c for c, _ in cells.values()}, {n: c for n, (c, _) in cells.items()}, COLUMN_GAP, 2, at.x
    )
    rows = _offsets({r for _, r in cells.values()}, {n: r for n, (_, r) in cells.items()}, ROW_GAP, 3, at.y)
    for node, (column, row) in cells.items():
        bounds = node.bounds
        assert bounds is not None
        (left, _), (top, height) = columns[column], rows[row]  # to the left, so that lines turn in the gaps
        _move(inner, node, left - bounds.x, top + (height - bounds.height) / 2 - bounds.y)
    _attach(nodes, boundary)
    return united(item.bounds for item in members if item.bounds is not None) or Bounds(at.x, at.y, 100, 40)


def _sized(inner: dict[Item | None, list[Item]], node: Item, flows: list[Link]) -> Bounds:
    if node.kind in EVENTS:
        return Bounds(0, 0, 36, 36)
    if node.kind in GATEWAYS:
        return Bounds(0, 0, 50, 50)
    if node.kind in SUB_PROCESSES and inner.get(node) and node.depth < DEEPEST:
        node.expanded = True
        within = _place(inner, node, flows, Point(0, 0))
        grown = within.grown(PADDING)
        return Bounds(grown.x, grown.y - 6, grown.width, grown.height + 6)
    node.expanded = False
    return Bounds(0, 0, 100, 80)


def _cells(nodes: list[Item], boundary: list[Item], flows: list[Link]) -> dict[Item, tuple[int, int]]:
    """Return column and row of each node.

    A node is right of all nodes that lead to it, in the row of the first of them if that is free.
    """
    followers = _followers(nodes, {item.id: item for item in nodes}, flows)
    hosts = {item.id: item.attached_to for item in boundary}
    events = _followers(nodes, {e: n for e, host in hosts.items() for n in nodes if n.id == host}, flows)
    order, columns = _columns(nodes, {node: followers[node] + events[node] for node in nodes})
    taken: set[tuple[int, int]] = set()
    cells: dict[Item, tuple[int, int]] = {}
    wanted: dict[Item, int] = {}
    for node in order:
        column = columns[node]
        row = wanted.get(node, 0) if column else 0
        while (column, row) in taken or (not column and any(r == row for _, r in taken)):
            row += 1
        taken.add((column, row))
        cells[node] = (column, row)
        for follower in followers[node]:
            wanted.setdefault(follower, row)
        for follower in events[node]:
            wanted.setdefault(follower, row + 1)
    return cells


def _followers(nodes: list[Item], sources: dict[str, Item], flows: list[Link]) -> dict[Item, list[Item]]:
    """Return where the flows lead that leave these sources, each of which stands for a node."""
    targets = {item.id: item for item in nodes}
    followers: dict[Item, list[Item]] = {node: [] for node in nodes}
    for flow in flows:
        source, target = sources.get(flow.source), targets.get(flow.target)
        if source is not None and target is not None and source is not target:
            followers[source].append(target)
    return followers


def _columns(nodes: list[Item], followers: dict[Item, list[Item]]) -> tuple[list[Item], dict[Item, int]]:
    """Return the nodes by their columns, with these: each right of all that lead to it, loops aside."""
    led_to = {target for targets in followers.values() for target in targets}
    roots = [node for node in nodes if node not in led_to] + nodes
    finished: list[Item] = []
    seen: set[Item] = set()
    back: set[tuple[Item, Item]] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        path = {root}
        stack = [(root, iter(followers[root]))]
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                path.discard(node)
                finished.append(node)
            elif target in path:
                back.add((node, target))
            elif target not in seen:
                seen.add(target)
                path.add(target)
                stack.append((target, iter(followers[target])))
    columns = dict.fromkeys(nodes, 0)
    for node in reversed(finished):  # each comes after all that lead to it
        for target in followers[node]:
            if (node, target) not in back:
                columns[target] = max(columns[target], columns[node] + 1)
    return sorted(nodes, key=lambda node: columns[node]), columns


def _offsets(
    numbers: set[int], places: dict[Item, int], gap: float, side: int, start: float
) -> dict[int, tuple[float, float]]:
    """Return where each column (or row) begins, and how wide (or high) it is."""
    sizes = dict.fromkeys(sorted(numbers), 0.0)
    for node, place in places.items():
        assert node.bounds is not None
        sizes[place] = max(sizes[place], node.bounds[side])
    offsets: dict[int, tuple[float, float]] = {}
    for place, size in sizes.items():
        offsets[place] = (start, size)
        start += size + gap
    return offsets


def _move(inner: dict[Item | None, list[Item]], node: Item, x: float, y: float) -> None:
    """Move a node with all that stands in it."""
    waiting = [node]
    while waiting:
        moved = waiting.pop()
        if moved.bounds is not None:
            moved.bounds = moved.bounds.moved(x, y)
        if moved.kind in SUB_PROCESSES and moved.expanded:
            waiting += inner.get(moved, [])


def _attach(nodes: list[Item], boundary: list[Item]) -> None:
    """Place boundary events on the lower edges of their activities, from the right to the left."""
    hosts = {node.id: node for node in nodes}
    counts: dict[str, int] = {}
    for event in boundary:
        host = hosts.get(event.attached_to)
        if host is None or host.bounds is None:
            continue
        number = counts[host.id] = counts.get(host.id, 0) + 1
        event.bounds = Bounds(host.bounds.right - 12 - 42 * number, host.bounds.bottom - 18, 36, 36)
        event.label = Bounds(event.bounds.right - 8, event.bounds.bottom - 4, 70, 14)


def route(source: Item, target: Item) -> list[Point]:
    """Return a line from one item to another, level and upright."""
    first, last = source.bounds, target.bounds
    if first is None or last is None:
        return []
    if source.kind == "boundaryEvent" and last.center.y > first.bottom and last.x > first.center.x:
        corner = Point(first.center.x, last.center.y)
        return [Point(first.center.x, first.bottom), corner, Point(last.x, last.center.y)]
    start, end = Point(first.right, first.center.y), Point(last.x, last.center.y)
    if end.x >= start.x + 10:
        if abs(start.y - end.y) < 1:
            return [start, end]
        between = end.x - min(30.0, (end.x - start.x) / 2)
        return [start, Point(between, start.y), Point(between, end.y), end]
    below = max(first.bottom, last.bottom) + 22
    start, end = Point(first.center.x, first.bottom), Point(last.center.x, last.bottom)
    return [start, Point(start.x, below), Point(end.x, below), end]
