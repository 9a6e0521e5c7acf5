import { topPages } from "./query";

test("asks for whole days up to today", () => {
  expect(topPages("example.com", 7, new Date("2026-01-03T12:00:00Z"))).toEqual({
    site_id: "example.com",
    metrics: ["visitors", "pageviews"],
    date_range: ["2025-12-28", "2026-01-03"],
    dimensions: ["event:page"],
  });
});
