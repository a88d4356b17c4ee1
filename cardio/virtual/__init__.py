"""A virtual Belgian eID, for people without a card; never imports the card client."""
