"""What the business does. Knows neither HTTP nor GraphQL; calls go down its layers, news goes up by events."""
