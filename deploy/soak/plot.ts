import type { Series } from './sample.ts';

const WIDTH = 900;
const HEIGHT = 220;
const LEFT = 70;
const COLOURS = ['#1b6ac9', '#c4472b', '#2c8a4b', '#8a4fb0', '#b8860b'];

/** A chart for each title, one below the other, as one SVG picture; all begin at 0, so that growth is seen as what it is. */
export function plot(charts: Readonly<Record<string, readonly Series[]>>): string {
  const entries = Object.entries(charts);
  const parts = entries.map(([title, series], index) => chart(title, series, index * HEIGHT));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${entries.length * HEIGHT}" font-family="sans-serif" font-size="12">
<title>What each process and store held over the run</title>
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`;
}

function chart(title: string, series: readonly Series[], top: number): string {
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const lines = series.map(({ values }, index) => {
    const points = values.map((value, at) => `${x(at, values.length)},${y(value, most, top)}`).join(' ');
    return `<polyline fill="none" stroke="${colour(index)}" points="${points}"/>`;
  });
  const names = series.map(
    ({ name, values }, index) =>
      `<text x="${LEFT + 10 + index * 160}" y="${top + 34}" fill="${colour(index)}">${name}: ${Math.round(values.at(-1) ?? 0)}</text>`,
  );
  return [
    `<text x="${LEFT}" y="${top + 16}" font-weight="bold">${title}</text>`,
    `<text x="4" y="${top + 50}">${Math.round(most)}</text>`,
    `<text x="4" y="${top + HEIGHT - 14}">0</text>`,
    `<line x1="${LEFT}" x2="${WIDTH - 10}" y1="${top + HEIGHT - 18}" y2="${top + HEIGHT - 18}" stroke="#999"/>`,
    ...names,
    ...lines,
  ].join('\n');
}

function x(at: number, count: number): string {
  return (LEFT + (at / Math.max(1, count - 1)) * (WIDTH - LEFT - 10)).toFixed(1);
}

function y(value: number, most: number, top: number): string {
  return (top + HEIGHT - 18 - (value / most) * (HEIGHT - 64)).toFixed(1);
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#000';
}
