"""Stock counts, aggregated sales and deliveries."""
