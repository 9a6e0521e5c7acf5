/* Made from priv/json-schemas/query-api-schema.json by npm run generate-types */

export type Metric = "visitors" | "visits" | "pageviews" | "bounce_rate";
export type DateRange = ("day" | "7d" | "30d" | "all") | [string, string];
export type Dimension = "event:page" | "visit:country" | "visit:source";

/**
 * What a statistics query may ask for.
 */
export interface QueryApiSchema {
  /**
   * The domain of the site.
   */
  site_id: string;
  /**
   * @minItems 1
   */
  metrics: [Metric, ...Metric[]];
  date_range: DateRange;
  dimensions?: Dimension[];
}
