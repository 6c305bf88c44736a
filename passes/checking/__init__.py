"""What is checked behind a pass: the interface that it promises, the values that it keeps; and what failures say.

`value_check` compares two graphs on a `common_input`, at `trial_sizes` where sizes are open, by a `distance`, and finds
the first `divergence`; `interface` holds names and types; `failures` words what went wrong.
"""
