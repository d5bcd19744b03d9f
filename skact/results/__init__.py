"""Results of searches and nets as plain tables, and the schema of their columns."""
