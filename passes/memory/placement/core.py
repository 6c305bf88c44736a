"""Canonical depth-first search: can these items lie below a capacity? Written so that numba can compile it as it is.

After Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine Learning" (ASPLOS 2023),
with other branches. Of the items that can go lowest, the first in order is placed at its floor; when that fails it is
blocked: it does not lie there, so it rests on something that is placed later, and its floor rises to the lowest top
that one of its neighbours can have. The two branches share no placement, and together have every one in which no item
can sink. A branch is given up when an item's floor is above its limit, or when what is to be placed in a section does
not fit above the lowest floor in it. Where no item crosses from one section into the next, each side is searched alone.

For plain items this is complete. An item of several offsets is tried where it can go lowest only, so that nothing
follows when none is found.
"""

from cnnir.passes.memory.placement.arrays import Items, Numbers, State

FREE, PLACED, BLOCKED = 0, 1, 2
NONE, FOUND, UNKNOWN = 0, 1, 2
STEP, PARTS, BACK, DONE, FAIL, GIVE_UP = 0, 1, 2, 3, 4, 5
TRAIL, STACK, NODES, FINAL, AREA, MOST, PLAIN = 0, 1, 2, 3, 4, 5, 6
FAR = 1 << 60


def rewind(state: State, mark: int) -> None:
    """Undo changes of floors down to a length of the trail."""
    k = state.counts[TRAIL]
    while k > mark:
        k -= 1
        item = state.trail_item[k]
        state.floor[item] = state.trail_floor[k]
        state.status[item] = state.trail_status[k]
    state.counts[TRAIL] = k


def change(state: State, item: int, floor: int, status: int) -> None:
    """Set floor and status of an item, and remember what they were."""
    k = state.counts[TRAIL]
    state.trail_item[k] = item
    state.trail_floor[k] = state.floor[item]
    state.trail_status[k] = state.status[item]
    state.counts[TRAIL] = k + 1
    state.floor[item] = floor
    state.status[item] = status


def count_in(items: Items, state: State, item: int, sign: int) -> None:
    """Add an item to what is still to be placed, or take it out."""
    for q in range(items.piece_at[item], items.piece_at[item + 1]):
        size = sign * items.piece_size[q]
        state.counts[AREA] -= size * (items.piece_end[q] - items.piece_first[q])
        for s in range(items.piece_first[q], items.piece_end[q]):
            state.rest[s] += size
    for s in range(items.first[item] + 1, items.end[item]):
        state.crossing[s] += sign


def unplace(items: Items, state: State, depth: int) -> None:
    """Take back all but the first items placed."""
    k = state.counts[STACK]
    while k > depth:
        k -= 1
        item = state.stack[k]
        state.status[item] = FREE
        count_in(items, state, item, 1)
    state.counts[STACK] = k


def settle(items: Items, state: State, item: int, floor: int) -> int:
    """The lowest base from a floor on that is aligned and overlaps nothing that is placed or fixed."""
    step = items.step[item]
    moved = True
    while moved and floor <= items.limit[item]:
        moved = False
        floor = -(-floor // step) * step
        for j in range(items.near_at[item], items.near_at[item + 1]):
            other = items.near[j]
            if state.status[other] == PLACED or items.fixed[other] >= 0:
                base = state.floor[other]
                if base + items.low[j] < floor < base + items.high[j]:
                    floor = base + items.high[j]
                    moved = True
    return floor


def room(
    near: tuple[Numbers, Numbers, Numbers, Numbers],
    state: tuple[Numbers, Numbers, Numbers, Numbers, Numbers, Numbers],
    part: tuple[int, int],
    level: int,
) -> bool:
    """Whether what is to be placed fits above the lowest floor, in each section of a part.

    One item low enough will do. The one that was so before mostly still is: each section remembers it.
    """
    sect_at, sect, above, plain = near
    floor, status, rest, capacity, blamed, witness = state
    for s in range(part[0], part[1]):
        most = capacity[s] - rest[s]
        begin, end = sect_at[s], sect_at[s + 1]
        j = witness[s]
        seen = begin - 1
        found = rest[s] == 0
        while not found and seen < end:
            item = sect[j]
            if status[item] != PLACED:
                lies = floor[item] + above[j]
                if lies < level and plain[item] == 1:
                    lies = level
                found = lies <= most
                if found:
                    witness[s] = j
            seen += 1
            j = seen
        if not found:
            blamed[s] += 1
            return False
    return True


def fits(items: Items, state: State, left: int, right: int, level: int) -> bool:
    """The same, for sections from `left` to before `right`."""
    return room(
        (items.sect_at, items.sect, items.above, items.plain),
        (state.floor, state.status, state.rest, items.capacity, state.blamed, state.witness),
        (left, right),
        level,
    )


def lowest(items: Items, state: State, left: int, right: int, level: int) -> int:
    """Of the free items of a part the one with the lowest floor, the first in order of these; -1 for none.

    Where all are plain, none is below the level.
    """
    order, first, end, floor, status = items.order, items.first, items.end, state.floor, state.status
    found = -1
    least = FAR
    for k in range(len(order)):
        item = order[k]
        if status[item] == FREE and floor[item] < least and first[item] >= left and end[item] <= right:
            least = floor[item]
            found = item
            if least <= level and state.counts[PLAIN] == 1:
                break
    return found


def ceiling(items: Items, item: int) -> int:
    """Where a plain item must end; less for some when only the topmost need not be rounded up to units."""
    return items.limit[item] + items.piece_size[items.piece_at[item]]


def is_final(items: Items, state: State, item: int, other: int) -> bool:
    """Whether `other`, which is not placed, could as well lie above the item if it can lie below it."""
    return (
        items.first[other] >= items.first[item]
        and items.end[other] <= items.end[item]
        and items.easy[other] == 1
        and state.floor[other] >= state.floor[item]
        and ceiling(items, other) >= ceiling(items, item)
    )


def put(items: Items, state: State, item: int, level: int) -> bool:
    """Place an item at its floor, lift its neighbours; False when something cannot fit any more."""
    base = state.floor[item]
    state.status[item] = PLACED
    state.stack[state.counts[STACK]] = item
    state.counts[STACK] += 1
    count_in(items, state, item, -1)
    state.counts[MOST] = max(state.counts[MOST], state.counts[AREA])
    final = items.easy[item] == 1 and items.piece_at[item + 1] - items.piece_at[item] == 1
    left, right = items.first[item], items.end[item]
    good = True
    for j in range(items.near_at[item], items.near_at[item + 1]):
        other = items.near[j]
        if state.status[other] == PLACED:
            continue
        if final and not is_final(items, state, item, other):
            final = False
        top = base - items.low[j]
        if not base - items.high[j] < state.floor[other] < top + items.step[other]:
            continue
        if items.fixed[other] >= 0:
            good = good and state.floor[other] >= top
            continue
        floor = max(top, state.floor[other])
        if items.easy[other] == 0:
            floor = settle(items, state, other, floor)
        change(state, other, floor, FREE)
        if floor > items.limit[other]:
            for s in range(items.first[other], items.end[other]):
                state.blamed[s] += 1
            good = False
            break
        left = min(left, items.first[other])
        right = max(right, items.end[other])
    state.counts[FINAL] = 1 if final or items.fixed[item] >= 0 else 0
    return good and fits(items, state, left, right, level)


def block(items: Items, state: State, item: int, level: int) -> bool:
    """Lift an item to the lowest top that a neighbour can have; False when it or others cannot fit then."""
    lift = FAR
    for j in range(items.near_at[item], items.near_at[item + 1]):
        other = items.near[j]
        if state.status[other] != PLACED:
            base = state.floor[other]
            if base < level and items.plain[other] == 1:
                base = level
            if state.floor[item] < base + items.high[j] < lift:
                lift = base + items.high[j]
    if lift > items.limit[item]:
        return False
    floor = lift
    if items.easy[item] == 0:
        floor = settle(items, state, item, lift)
        if floor > items.limit[item]:
            return False
    # When something fixed has lifted it further, it rests on that.
    change(state, item, floor, BLOCKED if floor - lift < items.step[item] else FREE)
    return fits(items, state, items.first[item], items.end[item], level)


def is_done(state: State, left: int, right: int) -> bool:
    """Whether everything is placed in the sections of a part."""
    for s in range(left, right):  # noqa: SIM110  compiled code has no `all`
        if state.rest[s] > 0:
            return False
    return True


def step_of(items: Items, state: State, frame: int) -> int:
    """Choose an item at an open node and place it; what to do next."""
    left, right = state.frame_low[frame], state.frame_high[frame]
    if is_done(state, left, right):
        return DONE
    item = lowest(items, state, left, right, state.frame_level[frame])
    if item < 0:
        return FAIL
    if state.counts[TRAIL] + items.near_at[item + 1] - items.near_at[item] + 2 > len(state.trail_item):
        return GIVE_UP
    state.frame_level[frame] = max(state.frame_level[frame], state.floor[item])
    state.frame_item[frame] = item
    state.frame_mark[frame] = state.counts[TRAIL]
    state.frame_depth[frame] = state.counts[STACK]
    state.frame_next[frame] = left
    good = put(items, state, item, state.frame_level[frame])
    state.frame_final[frame] = state.counts[FINAL]
    return PARTS if good else BACK


def back_of(items: Items, state: State, frame: int) -> int:
    """Take an item back, and block it; what to do next."""
    unplace(items, state, state.frame_depth[frame])
    rewind(state, state.frame_mark[frame])
    if state.frame_final[frame] == 1:
        return FAIL
    return STEP if block(items, state, state.frame_item[frame], state.frame_level[frame]) else FAIL


def next_part(state: State, frame: int) -> int:
    """The first section of the next part that is not done, -1 for none; its end becomes the frame's `next`."""
    begin, high = state.frame_next[frame], state.frame_high[frame]
    while begin < high and state.rest[begin] == 0:
        begin += 1
    if begin == high:
        return -1
    end = begin + 1
    while end < high and state.crossing[end] > 0:
        end += 1
    state.frame_next[frame] = end
    return begin


def opened(state: State, frame: int, left: int, right: int, level: int) -> None:
    """A new node for the sections of a part."""
    state.counts[NODES] += 1
    state.frame_low[frame] = left
    state.frame_high[frame] = right
    state.frame_entry[frame] = state.counts[TRAIL]
    state.frame_level[frame] = level


def search(items: Items, state: State, sections: int, limit: int) -> int:
    """Place all items: `FOUND` with their bases in `state.floor`, `NONE`, or `UNKNOWN` when the nodes were too few.

    The state is one that nothing has been placed in, or that an earlier search has left.
    """
    unplace(items, state, 0)
    rewind(state, 0)
    state.counts[NODES] = state.counts[MOST] = 0
    frame = 0
    opened(state, frame, 0, sections, 0)
    action = PARTS
    state.frame_next[frame] = 0
    while True:
        if action == STEP:
            action = step_of(items, state, frame)
        elif action == PARTS:
            begin = next_part(state, frame)
            if begin < 0:
                action = DONE
                continue
            if state.counts[NODES] >= limit:
                return UNKNOWN
            opened(state, frame + 1, begin, state.frame_next[frame], state.frame_level[frame])
            frame += 1
            action = STEP
        elif action == BACK:
            action = back_of(items, state, frame)
        elif frame == 0:
            return FOUND if action == DONE else NONE
        elif action == DONE:
            frame -= 1
            action = PARTS
        elif action == FAIL:
            rewind(state, state.frame_entry[frame])
            frame -= 1
            action = BACK if frame > 0 else FAIL
        else:
            return UNKNOWN
