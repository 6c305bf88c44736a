"""Parts of a network: one cut out as a model of its own, one put in the place of another."""
