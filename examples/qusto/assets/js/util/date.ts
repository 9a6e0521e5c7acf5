const DAY_MS = 24 * 60 * 60 * 1000;

/** The date of a moment where the code runs, as YYYY-MM-DD. */
export function formatIsoDate(moment: Date): string {
  const month = String(moment.getMonth() + 1).padStart(2, "0");
  const day = String(moment.getDate()).padStart(2, "0");
  return `${moment.getFullYear()}-${month}-${day}`;
}

/** The moment `days` times 24 hours before. */
export function daysBefore(moment: Date, days: number): Date {
  return new Date(moment.getTime() - days * DAY_MS);
}
