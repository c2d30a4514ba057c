import js from "@eslint/js";

export default [
  { ignores: [".venv/", "node_modules/", "build/", "dist/", "reports/", ".cache/"] },
  js.configs.recommended,
  {
    rules: {
      "no-undef": "off", // tsc knows better
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-param-reassign": "error",
      "no-var": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      complexity: ["error", 10],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 40],
    },
  },
];
