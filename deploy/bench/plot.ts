import { type Figure, isMet, ratioOf, shown } from './figure.ts';

const WIDTH = 960;
const ROW = 30;
const TOP = 44;
const LEFT = 330;
const RIGHT = 240;
/** Bars end here: a hundredth of the target, and a hundred times as good. */
const DECADES = 2;
const MET = '#2c8a4b';
const MISSED = '#c4472b';

/**
 * The figures that have a target, as an SVG picture: each bar begins at its target and goes to the right as far as the figure is
 * better, to the left as far as it is worse, ten times for each step of the scale.
 */
export function plotFigures(figures: readonly Figure[]): string {
  const rows = figures.filter(({ target }) => target !== undefined);
  const height = TOP + rows.length * ROW + 10;
  const scale = Array.from({ length: 2 * DECADES + 1 }, (_, index) => index - DECADES);
  const parts = [
    ...scale.flatMap((decade) => [
      `<line x1="${x(decade)}" x2="${x(decade)}" y1="${TOP - 8}" y2="${height - 10}" stroke="${decade === 0 ? '#333' : '#ddd'}"/>`,
      `<text x="${x(decade)}" y="${TOP - 16}" text-anchor="middle" fill="#555">${decade === 0 ? 'target' : `${decade < 0 ? '1/' : ''}${10 ** Math.abs(decade)}`}</text>`,
    ]),
    ...rows.map((figure, index) => row(figure, TOP + index * ROW)),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<title>Each figure beside its target</title>
<rect width="100%" height="100%" fill="white"/>
${parts.join('\n')}
</svg>
`;
}

/** How many times as good as its target a figure is: above 1 it is met. */
export function timesTarget(figure: Figure): number {
  const { target, value } = figure;
  const measured = target?.of === 'ratio' ? (ratioOf(figure) ?? Number.NaN) : value;
  if (target?.atLeast !== undefined) return measured / target.atLeast;
  return (target?.atMost ?? Number.NaN) / measured;
}

function row(figure: Figure, top: number): string {
  const decade = Math.max(-DECADES, Math.min(DECADES, Math.log10(timesTarget(figure))));
  const [from, to] = [x(Math.min(0, decade)), x(Math.max(0, decade))];
  const colour = isMet(figure) ? MET : MISSED;
  const { baseline, unit, value } = figure;
  const beside = baseline === undefined ? '' : ` beside ${shown(baseline.value)}`;
  return [
    `<text x="${LEFT - 12}" y="${top + 14}" text-anchor="end">${xml(figure.name)}</text>`,
    `<rect x="${from}" y="${top + 2}" width="${Math.max(2, to - from)}" height="16" fill="${colour}"/>`,
    `<text x="${WIDTH - RIGHT + 12}" y="${top + 14}" fill="${colour}">${xml(`${shown(value)}${beside} ${unit}`)}</text>`,
  ].join('\n');
}

function x(decade: number): number {
  return LEFT + ((decade + DECADES) / (2 * DECADES)) * (WIDTH - LEFT - RIGHT);
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
