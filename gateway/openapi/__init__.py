"""The OpenAPI document, and Swagger UI to read and try it."""
