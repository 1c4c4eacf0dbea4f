"""One search for every decoder: `step(tokens, state)` says what may come next, the search says what is said."""
