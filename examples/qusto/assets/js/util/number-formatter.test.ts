import { numberShortFormatter } from "./number-formatter";

describe("numberShortFormatter", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1000, "1k"],
    [1234, "1.2k"],
    [999_999, "999.9k"],
    [1_000_000, "1M"],
    [2_500_000_000, "2.5B"],
  ])("writes %d as %s", (value, text) => {
    expect(numberShortFormatter(value)).toBe(text);
  });
});
