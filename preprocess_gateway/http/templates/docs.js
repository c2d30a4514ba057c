/**
 * Swagger UI over `openapi.json`, asked for beside this page, so that a path in front of both changes nothing.
 * @typedef {{url: string, dom_id: string, deepLinking: boolean, defaultModelsExpandDepth: number,
 *   validatorUrl: null, onComplete: () => void}} Options
 */

// The address names an operation (`#/predictions/predict`), or an error (`#bad_form`), as a problem's `type` does.
const error = location.hash.startsWith("#/") ? "" : location.hash.slice(1);
const show = /** @type {{SwaggerUIBundle: (options: Options) => void}} */ (/** @type {unknown} */ (globalThis)).SwaggerUIBundle;

show({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: !error, // it would take the error for an operation
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // it would ask another host
  // What Swagger UI draws pushes the error that the address names out of sight.
  onComplete: () => document.getElementById(error)?.scrollIntoView(),
});
