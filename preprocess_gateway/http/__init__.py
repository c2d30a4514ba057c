"""HTTP: routes, uploads, admission, problems and their description. It only translates, and calls the core."""
