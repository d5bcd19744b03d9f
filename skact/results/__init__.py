"""What searches and nets recorded, as plain tables."""
