"""What recipients' certificates rest on: their chain, and their issuers' word for it."""
