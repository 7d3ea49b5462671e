const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** `12,345`. */
export function count(value: number): string {
  return whole.format(value);
}

/** `12.3K`. */
export function compact(value: number): string {
  return short.format(value);
}

/** `99.2%`; never 100% of something that is not all. */
export function percent(part: number): string {
  const value = Math.floor(part * 1000) / 10;
  return `${value}%`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `4.2 MiB`. */
export function bytes(value: number): string {
  const unit = Math.min(UNITS.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** unit;
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${UNITS[unit]}`;
}
