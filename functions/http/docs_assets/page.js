SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // Swagger UI would show the document to a service of its makers otherwise.
  validatorUrl: null,
});
