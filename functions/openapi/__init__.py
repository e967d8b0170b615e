"""The API's description in OpenAPI 3.1, made from the routes and models that serve the requests."""
