"""The way out: the query language, and one synchronous function for each question the API answers.

Every function takes an open store and a tenant, validates raw parameters, reads through the store's roles only and
gives a dictionary ready for JSON. What is refused is a `Refusal`; what is cut says so and can be continued.
"""
