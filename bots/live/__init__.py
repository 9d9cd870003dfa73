"""Sessions that trade at a broker: their host's side."""
