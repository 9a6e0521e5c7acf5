import { daysBefore, formatIsoDate } from "./date";

const lastMinute = new Date("2025-12-31T23:59:00Z");

test("a moment has the date of the zone the tests run in, UTC", () => {
  expect(formatIsoDate(lastMinute)).toBe("2025-12-31");
});

test("going back crosses months and years", () => {
  expect(formatIsoDate(daysBefore(lastMinute, 31))).toBe("2025-11-30");
  expect(formatIsoDate(daysBefore(lastMinute, 365))).toBe("2024-12-31");
});
