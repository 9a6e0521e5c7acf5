import js from "@eslint/js";

const node = { console: "readonly", process: "readonly", URL: "readonly" };
const browser = {
  document: "readonly",
  fetch: "readonly",
  location: "readonly",
  URL: "readonly",
  window: "readonly",
};

export default [
  js.configs.recommended,
  { files: ["*.js", "test/*.js"], languageOptions: { globals: node } },
  {
    files: ["src/*.js"],
    languageOptions: {
      globals: { ...browser, COMPILE_VERSION: "readonly" },
    },
  },
];
