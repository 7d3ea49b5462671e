/** A step as the graph needs it. */
export interface GraphStep {
  readonly name: string;
  readonly after: readonly { readonly step: string; readonly when: string }[];
}

/** Where a step's box stands, by its upper left corner, in pixels. */
export interface PlacedStep {
  readonly name: string;
  readonly column: number;
  readonly x: number;
  readonly y: number;
}

/** A line between two steps. `label` says what is asked of the first, at a point of the line. */
export interface PlacedEdge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  readonly path: string;
  readonly x: number;
  readonly y: number;
}

/** A flow as a drawing. */
export interface FlowLayout {
  readonly width: number;
  readonly height: number;
  readonly steps: readonly PlacedStep[];
  readonly edges: readonly PlacedEdge[];
}

export const STEP_WIDTH = 168;
export const STEP_HEIGHT = 60;
const GAP_ACROSS = 100;
const GAP_DOWN = 22;
/** The room of a line that passes a column. */
const LANE_HEIGHT = 14;
const MARGIN = 16;
/** A drawing of more steps and lanes tells nobody anything. */
const MOST_STOPS = 400;

/** A step, or a line on its way past a column. */
interface Stop {
  readonly step: string | undefined;
  readonly column: number;
  /** Those in the column before that lead to it. */
  readonly before: Stop[];
  y: number;
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly whens: string[];
}

/**
 * Places each step in the column behind the last one that it waits for, so that every line leads to the right; a line over
 * several columns has a lane of its own in each. Undefined: there are too many steps and lines to draw.
 */
export function layOut(steps: readonly GraphStep[]): FlowLayout | undefined {
  const columns = columnsOf(steps);
  const edges = edgesOf(steps);
  const length = ({ from, to }: Edge) => (columns.get(to) ?? 0) - (columns.get(from) ?? 0);
  const lanes = edges.reduce((sum, edge) => sum + length(edge) - 1, 0);
  if (steps.length + lanes > MOST_STOPS) return undefined;
  const stops = new Map(steps.map(({ name }) => [name, stopOf(name, columns.get(name) ?? 0)]));
  const all = [...stops.values()];
  const lines = edges.map((edge) => {
    const line = lineOf(edge, stops);
    all.push(...line.slice(1, -1));
    return { edge, line };
  });
  const height = arrange(all);
  const width = 2 * MARGIN + (1 + Math.max(0, ...columns.values())) * (STEP_WIDTH + GAP_ACROSS) - GAP_ACROSS;
  const placed = [...stops].map(([name, { column, y }]) => ({
    ...{ name, column, x: leftOf(column) },
    y: y - STEP_HEIGHT / 2,
  }));
  return { width, height, steps: placed, edges: lines.map(({ edge, line }) => drawn(edge, line)) };
}

function columnsOf(steps: readonly GraphStep[]): Map<string, number> {
  const columns = new Map<string, number>();
  for (let before = -1; before < columns.size; ) {
    before = columns.size;
    for (const { name, after } of steps) {
      if (columns.has(name) || !after.every(({ step }) => columns.has(step))) continue;
      columns.set(name, Math.max(0, ...after.map(({ step }) => (columns.get(step) ?? 0) + 1)));
    }
  }
  return columns;
}

/** One for each two steps; a step may ask more than one thing of another. */
function edgesOf(steps: readonly GraphStep[]): Edge[] {
  return steps.flatMap(({ name, after }) => {
    const own = new Map<string, Edge>();
    for (const { step, when } of after) {
      const edge = own.get(step) ?? { from: step, to: name, whens: [] };
      if (!edge.whens.includes(when)) edge.whens.push(when);
      own.set(step, edge);
    }
    return [...own.values()];
  });
}

function stopOf(step: string | undefined, column: number): Stop {
  return { step, column, before: [], y: 0 };
}

/** The stops of a line from its first step to its second. */
function lineOf({ from, to }: Edge, stops: ReadonlyMap<string, Stop>): Stop[] {
  const [first, last] = [stops.get(from), stops.get(to)];
  if (first === undefined || last === undefined) return [];
  const line = [first];
  for (let column = first.column + 1; column < last.column; column++) line.push(stopOf(undefined, column));
  line.push(last);
  for (const [at, stop] of line.entries()) {
    const former = line[at - 1];
    if (former !== undefined) stop.before.push(former);
  }
  return line;
}

/** Gives each stop its height: near those that lead to it, columns centred. Returns the height of all. */
function arrange(stops: readonly Stop[]): number {
  const columns = Map.groupBy(stops, ({ column }) => column);
  const roomOf = (stop: Stop) => (stop.step === undefined ? LANE_HEIGHT : STEP_HEIGHT) + GAP_DOWN;
  const heightOf = (column: readonly Stop[]) => column.reduce((sum, stop) => sum + roomOf(stop), 0);
  const tallest = Math.max(0, ...[...columns.values()].map(heightOf));
  for (const at of [...columns.keys()].sort((a, b) => a - b)) {
    const column = (columns.get(at) ?? []).sort((a, b) => pull(a) - pull(b));
    let y = MARGIN + (tallest - heightOf(column)) / 2;
    for (const stop of column) {
      stop.y = y + roomOf(stop) / 2;
      y += roomOf(stop);
    }
  }
  return tallest + 2 * MARGIN;
}

/** The middle of those that lead to a stop. */
function pull({ before }: Stop): number {
  return before.length === 0 ? 0 : before.reduce((sum, { y }) => sum + y, 0) / before.length;
}

function leftOf(column: number): number {
  return MARGIN + column * (STEP_WIDTH + GAP_ACROSS);
}

function drawn({ from, to, whens }: Edge, line: readonly Stop[]): PlacedEdge {
  const parts: string[] = [];
  let middle = { x: 0, y: 0 };
  for (const [at, stop] of line.entries()) {
    const former = line[at - 1];
    if (former === undefined) continue;
    const [fromX, toX] = [leftOf(former.column) + STEP_WIDTH, leftOf(stop.column)];
    const half = (fromX + toX) / 2;
    const start = at === 1 ? 'M' : 'L';
    parts.push(`${start}${fromX} ${former.y}C${half} ${former.y} ${half} ${stop.y} ${toX} ${stop.y}`);
    // The label stands on the last part, which only this line takes to this step.
    middle = { x: half, y: (former.y + stop.y) / 2 };
  }
  return { from, to, label: whens.join(' and '), path: parts.join(''), ...middle };
}
