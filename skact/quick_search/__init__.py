"""One call from data to an answer: tables, targets, the search."""
