"""The site in a real browser: journeys of customers, accessibility, languages, bad networks."""
