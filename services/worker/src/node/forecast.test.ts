import { expect, test } from 'vitest';
import { Gate } from '../claim/gate.ts';
import { forecastFor } from './forecast.ts';

test.each(['drain', 'stop', 'name'])('nothing is made ready while the obstacle is %s', async (obstacle) => {
  const gate = new Gate({ obstacles: () => [] });
  const queues = [{ peek: async () => [] }];
  expect(await forecastFor(queues, { gate, limit: 4 })).toEqual([]);
  gate.set(obstacle, 'it takes no jobs');
  expect(await forecastFor(queues, { gate, limit: 4 })).toBeUndefined();
  gate.set(obstacle, undefined);
  expect(await forecastFor(queues, { gate, limit: 4 })).toEqual([]);
});
