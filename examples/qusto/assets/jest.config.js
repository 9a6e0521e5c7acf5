export default {
  testEnvironment: "node",
  testMatch: ["<rootDir>/js/**/*.test.ts"],
  transform: { "\\.ts$": "<rootDir>/jest-transform.cjs" },
};
