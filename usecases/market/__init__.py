"""Market: series of prices, one for each symbol."""
