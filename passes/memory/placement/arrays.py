"""What the canonical search works on: tables of numbers, as lists for plain Python or as arrays for compiled code."""

from typing import NamedTuple, TypeAlias

Numbers: TypeAlias = list[int]
"""Or an array of int64, which the compiled search gets."""


class Items(NamedTuple):
    """What does not change in a search. An item is a free body, or one slice of a fixed one; all in units.

    Attributes:
        first: Section in which an item begins; a section is a time at which the set of live slices is largest.
        end: Section behind its last one.
        step: Its base is a multiple of it.
        limit: Its base is at most this.
        fixed: Its base, or -1.
        plain: 1 when all its slices have one offset and size.
        easy: 1 when it can lie on whatever is placed: it and its neighbours are plain and not fixed, its step is 1.
        near_at: Where the neighbours of an item begin in `near`; one entry more than items.
        near: Items that live at some time at which this one lives; an item stands here for each interval.
        low: This base less the neighbour's is at most `low`,
        high: or at least `high`.
        piece_at: Where the pieces of an item begin in the tables that follow.
        piece_first: Section in which a slice begins.
        piece_end: Section behind its last one.
        piece_size: Its size.
        sect_at: Where the slices of a section begin in `sect`.
        sect: Items that have a slice in the section.
        above: By how much that slice lies above the item's base.
        capacity: Of each section.
        order: The items, those to be tried first in front.
    """

    first: Numbers
    end: Numbers
    step: Numbers
    limit: Numbers
    fixed: Numbers
    plain: Numbers
    easy: Numbers
    near_at: Numbers
    near: Numbers
    low: Numbers
    high: Numbers
    piece_at: Numbers
    piece_first: Numbers
    piece_end: Numbers
    piece_size: Numbers
    sect_at: Numbers
    sect: Numbers
    above: Numbers
    capacity: Numbers
    order: Numbers


class State(NamedTuple):
    """Where a search stands.

    Attributes:
        floor: The lowest base of an item that what is placed allows; the base of a placed one.
        status: Free, placed, or blocked: it rests on something that is placed later.
        rest: Units of slices not placed, in each section.
        crossing: Items not placed that live on both sides of a section's beginning.
        trail_item: Whose floor or status was changed,
        trail_floor: what its floor was,
        trail_status: and its status.
        stack: Items in the order in which they were placed.
        frame_low: Of each open node: the first section of its part,
        frame_high: the one behind its last,
        frame_entry: the length of the trail when it was opened,
        frame_item: the item that is being tried,
        frame_mark: the length of the trail before that,
        frame_depth: how many had been placed,
        frame_next: the section up to which its parts are done,
        frame_final: 1 when the item cannot lie higher instead,
        frame_level: under which nothing is placed any more.
        blamed: How often each section had no room, or an item that lives in it did not fit.
        witness: Where in `Items.sect` the slice stands that last left enough room in each section; it may still do.
        counts: Length of the trail, of the stack, nodes opened, whether the last item placed is final, what is placed
            (units times sections), the most that was, and whether all items are plain.
    """

    floor: Numbers
    status: Numbers
    rest: Numbers
    crossing: Numbers
    trail_item: Numbers
    trail_floor: Numbers
    trail_status: Numbers
    stack: Numbers
    frame_low: Numbers
    frame_high: Numbers
    frame_entry: Numbers
    frame_item: Numbers
    frame_mark: Numbers
    frame_depth: Numbers
    frame_next: Numbers
    frame_final: Numbers
    frame_level: Numbers
    blamed: Numbers
    witness: Numbers
    counts: Numbers
