import type { QueryApiSchema } from "./types/query-api";
import { daysBefore, formatIsoDate } from "./util/date";

/** Asks for the visitors of a site by page, over the `days` that end today. */
export function topPages(
  siteId: string,
  days: number,
  now: Date,
): QueryApiSchema {
  return {
    site_id: siteId,
    metrics: ["visitors", "pageviews"],
    date_range: [formatIsoDate(daysBefore(now, days - 1)), formatIsoDate(now)],
    dimensions: ["event:page"],
  };
}
