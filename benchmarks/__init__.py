"""Programs that measure: what a step, a trial and a search cost, and what they are worth."""
