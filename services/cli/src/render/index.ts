export { explainDeath } from './death.ts';
export { ago, between, duration, ran } from './duration.ts';
export { columnsOf, cut, noPaint, type Paint, padTo, paintAlways, paintState } from './paint.ts';
export { LiveLine, type Progress, progressLine } from './progress.ts';
export { queueColumns } from './queues.ts';
export { type Column, table } from './table.ts';
export { plain, plainLog } from './text.ts';
export { type TopView, topLines } from './top.ts';
export { type WaterfallOptions, waterfall } from './waterfall.ts';
