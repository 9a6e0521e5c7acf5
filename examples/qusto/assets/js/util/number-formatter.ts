const UNITS = [
  { suffix: "B", size: 1e9 },
  { suffix: "M", size: 1e6 },
  { suffix: "k", size: 1e3 },
];

/** 1234 becomes "1.2k"; what is below a thousand stays as it is. */
export function numberShortFormatter(value: number): string {
  const unit = UNITS.find(({ size }) => value >= size);
  if (unit === undefined) return String(value);

  // Cut, not rounded: 999_999 is not yet a million.
  const tenths = Math.floor((value / unit.size) * 10);
  return `${tenths / 10}${unit.suffix}`;
}
