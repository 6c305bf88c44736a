"""Sizes: shapes inferred anew, symbols bound, another batch, another height and width."""
